"""Cohorts to explain, with a predictor and a fitted U-noise for each: nothing is learned well, for speed does not care.

`phantom` is a phantom as it is. `full` are random images in the shape of a brain with 1 mm voxels, on the paper's grid
of 140 x 176 x 140, as most registered images are: the network sees the file's own voxels. Weights are random; U-noise
is fitted for one epoch to a few small phantoms, and its U-Net then takes volumes of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interpbench import Recipe, fit, load_predictor, read_cohort, save_predictor, write_map, write_phantom
from interpbench.cohort.recipe_for import recipe_for
from interpbench.files.atomic import read_json, write_json, write_tsv
from interpbench.kit import settle
from interpbench.pipeline.fitted import RECORD
from interpbench_networks.resnet18 import ResNet18

FIT_SUBJECTS = 12
FULL = (140, 176, 140)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What `interpbench explain` is given."""

    name: str
    cohort: Path
    predictor: Path
    fitted: Path | None
    method: str = "unoise"
    subjects: int = 0  # the first so many by label; 0 for all

    @property
    def labels(self) -> list[str]:
        """Of those who take part."""
        found = sorted(subject.id for subject in read_cohort(self.cohort, need_age=False).subjects)
        return found[: self.subjects or None]


def phantom_case(
    work: Path, *, subjects: int, voxel_size: float, network: dict[str, Any], unoise: dict[str, Any]
) -> Case:
    """A phantom of so many subjects; what is in `work` already is used again."""
    cohort = write_phantom(work / "phantom", subjects=subjects, voxel_size=voxel_size)
    recipe = recipe_for(read_cohort(cohort).subjects)
    model, fitted = _fitted(work, recipe, network=network, unoise=unoise, voxel_size=voxel_size)
    return Case(name="phantom", cohort=cohort, predictor=model, fitted=fitted, subjects=subjects)


def full_case(
    work: Path, *, subjects: int, shape: tuple[int, int, int], network: dict[str, Any], unoise: dict[str, Any]
) -> Case:
    """Random images of the shape asked for, 1 mm voxels; what is in `work` already is used again."""
    cohort = work / "random-brains"
    affine = np.eye(4)
    affine[:3, 3] = -(np.array(shape) - 1) / 2
    rows = []
    for number in range(subjects):
        name, age = f"{number:03d}", 44 + 29 * (number + 0.5) / subjects
        if not (cohort / f"{name}.nii.gz").is_file():
            write_map(cohort / f"{name}.nii.gz", _random_brain(shape, seed=number), affine=affine)
        rows.append({"participant_id": f"sub-{name}", "age": age, "image": f"{name}.nii.gz"})
    write_tsv(cohort / "participants.tsv", rows)
    recipe = Recipe(shape=shape, voxel_size=1.0, centre=(0.0, 0.0, 0.0))
    model, fitted = _fitted(work, recipe, network=network, unoise=unoise)
    return Case(name="full", cohort=cohort, predictor=model, fitted=fitted, subjects=subjects)


def _random_brain(shape: tuple[int, int, int], *, seed: int) -> torch.Tensor:
    """An ellipsoid of smooth noise on a background of 0, in the scanner's kind of whole numbers."""
    axes = torch.meshgrid(*(torch.linspace(-1.1, 1.1, edge) for edge in shape), indexing="ij")
    noise = torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool3d(noise, 3, stride=1, padding=1)[0, 0]
    return torch.where(torch.stack(axes).square().sum(0) < 1, (1000 + 300 * smooth).round(), 0.0)


def _fitted(
    work: Path, recipe: Recipe, *, network: dict[str, Any], unoise: dict[str, Any], voxel_size: float = 4.0
) -> tuple[Path, Path]:
    """A model folder for this recipe, and U-noise fitted to a model of the same weights on a small phantom."""
    small = write_phantom(work / "fit-phantom", subjects=FIT_SUBJECTS, voxel_size=voxel_size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blank = ResNet18(**network)
        module = settle(blank.build(recipe.shape), torch.device("cpu"))
    for folder, grid in (("fit-model", recipe_for(read_cohort(small).subjects)), ("model", recipe)):
        save_predictor(work / folder, blank.loaded(module, grid, offset=58.0), name="resnet18", details={})
    asked = {"epochs": 1, "pretrain_epochs": 0, **unoise}
    fit(small, work / "fit-model", work / "fitted", method="unoise", options=asked, device="cpu")
    # Fitted on a small grid, for want of hours; time and memory at full size are those of any fit to this network.
    record = read_json(work / "fitted" / RECORD)
    write_json(work / "fitted" / RECORD, {**record, "predictor_sha256": load_predictor(work / "model").fingerprint})
    return work / "model", work / "fitted"
