"""Subjects on one grid, added up: their maps, their images and their brains."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.contract.aggregator import Aggregator
from interpbench.doubts import PREDICTOR, RESAMPLED, Doubt, from_record
from interpbench.errors import InputError
from interpbench.files.hashes import Hashes
from interpbench.host.foreign import asking
from interpbench.images.grid import box_affine
from interpbench.images.recipe import Recipe
from interpbench.images.rules import ImageRules
from interpbench.images.volume import read_volume
from interpbench.maps.network_map import on_network_grid

_SAME_PLACE = 1e-3  # mm


@dataclass(frozen=True, eq=False)
class MapOnGrid:
    """A map on the network's grid, and the image that it explains."""

    map: Tensor  # (I, J, K)
    volume: Tensor  # (1, I, J, K)
    brain: Tensor  # (I, J, K) bool
    affine: NDArray[np.float64]
    doubt: Doubt | None = None  # about the map


class NoTemplate(InputError):
    """The images do not share one space, so that no voxel of one is that voxel of another."""


class PopulationSum:
    """What the subjects so far add up to; memory does not grow with their number.

    Args:
        recipe: of the predictor.
        aggregator: takes the maps.
        name: the aggregator's.
    """

    def __init__(self, recipe: Recipe, aggregator: Aggregator, name: str) -> None:
        self.recipe, self.aggregator, self.name = recipe, aggregator, name
        self.number = 0
        self.doubts: dict[str, tuple[Doubt, ...]] = {}  # about one subject each, by label
        self.predictor_doubts: list[Doubt] = []  # about the predictor, each told once
        self._images = torch.zeros(recipe.shape, dtype=torch.float64)  # the sum of normalised images
        self._brains = torch.zeros(recipe.shape, dtype=torch.int64)  # how many have brain there
        self._affine: np.ndarray[Any, Any] | None = None
        if recipe.centre is not None:
            self._affine = box_affine(recipe.shape, recipe.voxel_size, recipe.orientation, recipe.centre)

    def add(self, path: Path, record: Mapping[str, Any], placed: MapOnGrid) -> None:
        """Add one subject's map.

        Args:
            path: of the map, with its sidecar's `record`.
            placed: what `read_map` found there.

        Raises:
            InputError: the grid was laid elsewhere for this image.
            NoTemplate: the recipe lays a grid around each brain, and this one's is not that of those before.
        """
        if self._affine is None:
            self._affine = placed.affine
        if not np.allclose(self._affine, placed.affine, atol=_SAME_PLACE):
            if self.recipe.centre is None:
                raise NoTemplate(
                    f"{path}: the images do not lie in one space, so there is no population map: the grid is centred"
                    " on each brain. Register the images to a template, and train with a `centre`."
                )
            raise InputError(
                f"{path}: the network's grid was centred on this brain, because the image is not registered."
            )
        with asking(f"aggregator {self.name!r}", placed.map[None, None]):
            self.aggregator.add(placed.map)
            self.aggregator.add_brain(placed.brain)
        self._images += placed.volume[0].double()
        self._brains += placed.brain
        self.number += 1
        common = _sentences(record.get("predictor_warnings"))
        known = set(self.predictor_doubts)
        self.predictor_doubts += [Doubt(one, PREDICTOR) for one in dict.fromkeys(common) if one not in known]
        told = tuple(one for one in from_record(record) if one not in common)
        self.doubts[str(record["participant_id"])] = told + ((placed.doubt,) if placed.doubt else ())

    @property
    def affine(self) -> np.ndarray[Any, Any]:
        """The affine of the common grid, `(4, 4)`."""
        if self._affine is None:
            raise RuntimeError("a population has no grid before its first subject")
        return self._affine

    @property
    def background(self) -> Tensor:
        """Mean of the normalised images, `(I, J, K)`."""
        return (self._images / max(self.number, 1)).float()

    @property
    def brain(self) -> Tensor:
        """The voxels where at least half of the subjects have brain, `(I, J, K)` bool."""
        return 2 * self._brains >= max(self.number, 1)


def _sentences(given: Any) -> list[str]:
    return [str(one) for one in given] if isinstance(given, list | tuple) else []


def read_map(
    path: Path, record: Mapping[str, Any], recipe: Recipe, hashes: Hashes, *, whole: bool = False
) -> MapOnGrid:
    """A subject's map on the network's grid, which its sidecar `record` vouches for, and its image there.

    Args:
        hashes: of the command's files.
        whole: whether the map keeps what lies outside the brain.

    Raises:
        InputError: the map or its image is gone or changed, or cannot be read.
    """
    for name, file in (("sha256", path), ("image_sha256", record["image"]), ("mask_sha256", record.get("mask"))):
        if file is not None and not Path(file).is_file():
            raise InputError(f"{file}: is missing since the map was made.")
        if file is not None and hashes.of(file) != record.get(name):
            raise InputError(f"{file}: changed after the map was made; run explain again.")
    rules = ImageRules(max_voxels=sys.maxsize, nan_to_zero=True)  # these very bytes were taken when the map was made
    prepared = recipe.prepare(Path(record["image"]), record.get("mask"), rules)
    map, doubt = on_network_grid(path, record, prepared, hashes), None
    if map is None:
        map = prepared.to_network_grid(read_volume(path, constant_ok=True, max_voxels=sys.maxsize).data[0])
        why = "the map was interpolated from its image's grid, because the one on the network's grid is missing"
        doubt = Doubt(why, RESAMPLED)
    if not whole:
        map = torch.where(prepared.brain, map, 0.0)
    return MapOnGrid(map, prepared.volume, prepared.brain, prepared.affine, doubt)
