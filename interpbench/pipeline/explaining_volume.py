"""`explain_volume`: the map of one image or array, with no folder, no table and no file on disk."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.spatialimages import SpatialImage
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.errors import InputError, InterpbenchError, UsageError
from interpbench.host.ask_explainer import explained
from interpbench.host.ask_predictor import predict_one
from interpbench.host.components import make_component
from interpbench.images.array_input import array_as_input
from interpbench.images.cut import BrainCut
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe
from interpbench.options import checked_seed, options_json
from interpbench.pipeline.fitted import load_fitted
from interpbench.pipeline.volume_map import VolumeMap
from interpbench.predictor.model import load_predictor
from interpbench.run.device import resolve_device
from interpbench.run.trying import try_before_use

log = logging.getLogger("interpbench")

Image = str | Path | SpatialImage | Tensor | NDArray[Any]


def explain_volume(
    predictor: Predictor | str | Path,
    image: Image,
    method: str = "smoothgrad",
    *,
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    fitted: str | Path | None = None,
    mask: str | Path | SpatialImage | None = None,
    affine: ArrayLike | None = None,
    seed: int = 0,
    whole: bool = False,
    device: str | None = None,
) -> VolumeMap:
    """Explain one image or array in memory.

    Args:
        predictor: a predictor, such as that of `Predictor.from_module`; or a model folder.
        image: a NIfTI file or a nibabel image, which the predictor's recipe brings to the network's grid. Or an array
            `(I, J, K)` or `(1, I, J, K)` of the shape of the recipe, which the network gets as it is.
        method: an installed explainer; `interpbench methods` lists them.
        options, preset: of the method.
        fitted: the folder of `interpbench fit`, for a method that learns.
        mask: of the brain, on the image's grid; not for arrays, whose brain is what differs from their background.
        affine: of an array, voxel to world `(4, 4)` in mm; by default that of the recipe's box.
        seed: of the method's random numbers.
        whole: keep the map outside the brain as the method made it.
        device: where to compute: `cpu`, `cuda` or `auto`; by default where the network is.

    Raises:
        InputError: the image, or the predictor, is refused.
        UsageError: no such method or option, a method that learns without `fitted`, or an array of another shape.
        PluginError: the method failed, or its map is not usable.
    """
    seed = checked_seed(seed)
    if not isinstance(predictor, Predictor):
        predictor = load_predictor(predictor)
    if device is not None:
        predictor.module.to(resolve_device(device))
    where = next((one.device for one in predictor.module.parameters()), torch.device("cpu"))
    prepared = _prepared(image, mask, affine, predictor.recipe)
    volume = prepared.volume[None].to(where)
    warnings = [*map(str, prepared.warnings), *try_before_use(predictor, volume, "the predictor", {})]
    explainer = _explainer(predictor, method, options, preset, fitted, seed)
    prediction = predict_one(predictor, volume)
    (found,) = explained(explainer, predictor, volume, ["volume"], method, seed)
    if isinstance(found, InterpbenchError):
        raise found
    cut = BrainCut.of(prepared, whole=whole)
    if nothing := cut.nothing_left(found.map.cpu()):
        raise InputError(f"the map of method {method!r} is zero {nothing}.")
    doubt = cut.doubt(cut.share_outside(found.map.cpu()))
    return VolumeMap(
        map=cut.way_back(found.map.cpu(), prepared),
        image=prepared.source,
        brain=prepared.inside.numpy(),
        prediction=prediction,
        unit=predictor.unit,
        method=method,
        options=options_json(explainer),
        signed=explainer.signed,
        extras={name: cut.way_back(values.cpu(), prepared) for name, values in found.extras.items()},
        warnings=(*warnings, *found.notes, *([doubt] if doubt else [])),
    )


def _explainer(
    predictor: Predictor,
    method: str,
    options: Mapping[str, Any] | None,
    preset: str | None,
    fitted: str | Path | None,
    seed: int,
) -> Explainer:
    if fitted is not None:
        if options or preset:
            raise UsageError(f"the options of a fitted method are those in {fitted}: leave out options and preset.")
        return load_fitted(fitted, predictor, method=method)
    explainer: Explainer = make_component("explainer", method, options, preset=preset, seed=seed)[0]
    if explainer.learned:
        raise UsageError(
            f"method {method!r} learns from a cohort: run `interpbench fit` first, and name its folder as fitted=."
        )
    return explainer


def _prepared(
    image: Image, mask: str | Path | SpatialImage | None, affine: ArrayLike | None, recipe: Recipe
) -> Prepared:
    if isinstance(image, Tensor | np.ndarray):
        if mask is not None:
            raise UsageError("an array is the network's input as it is: a mask needs an image.")
        return array_as_input(image, affine, recipe)
    if affine is not None:
        raise UsageError("an image brings its own affine: give one with an array only.")
    with tempfile.TemporaryDirectory() as folder:
        mask_file = None if mask is None else _on_disk(mask, Path(folder), "mask")
        return recipe.prepare(_on_disk(image, Path(folder), "image"), mask_file)


def _on_disk(image: Any, folder: Path, name: str) -> Path:
    """The image's file; one in memory is written first, so that it passes the same checks as any."""
    if isinstance(image, str | Path):
        return Path(image)
    if not isinstance(image, SpatialImage):
        raise UsageError(f"the {name} must be a file or a nibabel image of voxels, got {type(image).__name__}.")
    path = folder / f"{name}-in-memory.nii"
    try:
        nib.save(image, path)
    except Exception as error:  # nibabel's converters raise what they like
        raise InputError(f"the {name} in memory cannot be written as NIfTI: {error}.") from error
    return path
