"""Importance by region of each person's own anatomy: tissue groups of a segmentation, and figures of one map.

The segmentation has DLMUSE's numbers and names (`labels.csv`: `id,label`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.images.grid import move

CORTEX = 100  # the lowest number of a cortical gyrus
MIDLINE_MM = 3.0
GROUPS: Mapping[str, Sequence[str]] = {
    "hippocampus": ("Hippocampus_",),
    "lateral ventricle": ("LateralVentricle_",),
    "inferior lateral ventricle": ("InfLatVentricle_",),
    "third ventricle": ("3rdVentricle",),
    "fourth ventricle": ("4thVentricle",),
    "brainstem": ("BrainStem",),
    "thalamus": ("ThalamusProper_",),
    "caudate": ("Caudate_",),
    "putamen and pallidum": ("Putamen_", "Pallidum_"),
    "amygdala": ("Amygdala_",),
    "cerebellum": ("Cerebell",),
    "white matter": ("_WM_", "InternalCapsule", "CorpCall", "Fornix"),
    "frontal cortex": (
        *("Frontal", "Orbital", "GyrusRectus", "PrecentralGyrus", "SupplementaryMotor", "CentralOperculum"),
        "SubcallosalArea",
    ),
    "cingulate cortex": ("CingulateGyrus",),
    "insula": ("Insula",),
    "temporal cortex": (*("Temporal", "Entorhinal", "Fusiform", "Parahippocampal", "PlanumPolare", "PlanumTemporale"),),
    "parietal cortex": (
        *("AngularGyrus", "PostcentralGyrus", "Precuneus", "ParietalOperculum", "Supramarginal", "SuperiorParietal"),
    ),
    "occipital cortex": ("Occipital", "Calcarine", "Cuneus", "Lingual"),
}
"""Parts of the labels' names. A gyrus belongs to the last group that matches: OccipitalFusiform is occipital."""


def grouped(table: Path) -> dict[str, list[int]]:
    """The numbers of each group's regions, by the name of the group.

    Raises:
        ValueError: a group has no region in the table.
    """
    with table.open(encoding="utf-8") as lines:
        names = {int(row["id"]): row["label"] for row in csv.DictReader(lines)}
    found: dict[str, list[int]] = {group: [] for group in GROUPS}
    for number, name in names.items():
        if name == "unnamed":
            continue
        matching = [
            group
            for group, parts in GROUPS.items()
            if any(part in name for part in parts) and (number >= CORTEX) == _is_cortical(group)
        ]
        if matching:
            found[matching[-1]].append(number)
    empty = [group for group, numbers in found.items() if not numbers]
    if empty:
        raise ValueError(f"{table}: no region for {', '.join(empty)}")
    return found


def _is_cortical(group: str) -> bool:
    return group.endswith("cortex") or group == "insula"


def coverage(
    labels: NDArray[np.int_],
    affine: NDArray[np.float64],
    groups: Mapping[str, Sequence[int]],
    grid: Sequence[int],
    grid_affine: NDArray[np.float64],
) -> Tensor:
    """The share of each voxel of another grid that each group covers.

    Args:
        labels: `(I, J, K)` segmentation on its own grid.
        grid, grid_affine: shape and affine of the other grid.

    Returns:
        `(groups, I, J, K)`, 0 to 1.
    """
    inside = [np.isin(labels, numbers).astype(np.float32) for numbers in groups.values()]
    found = [move(torch.from_numpy(one), affine, grid_affine, grid, smooth=True) for one in inside]
    return torch.stack(found).clamp(0, 1)


def relative_importance(importance: Tensor, brain: Tensor, covers: Tensor) -> NDArray[np.float64]:
    """Mean importance of each group relative to the brain's mean; 1: as much as an average voxel of the brain.

    Args:
        importance: `(I, J, K)`, at least 0.
        brain: `(I, J, K)` bool.
        covers: `(groups, I, J, K)` of `coverage`.

    Returns:
        `(groups,)`; NaN for a group without a voxel, or for a map of zeros.
    """
    values, weights = importance[brain].double(), covers[:, brain].double()
    mass, size = weights @ values, weights.sum(1)
    mean = values.mean()
    nothing = (size <= 0) | (mean <= 0)
    return torch.where(nothing, torch.nan, mass / size.clamp(min=1e-12) / mean.clamp(min=1e-300)).numpy()


def standing_by_size(
    importance: Tensor, brain: Tensor, cover: Tensor, random: np.random.Generator, draws: int = 200
) -> float:
    """How a region stands against other tissue of its size and shape.

    Its cover is moved to random places of the brain, mirrored or not. A place counts where at least 95 % of the cover
    lies in the brain and at most a quarter of it on the region itself.

    Args:
        importance, brain: as `relative_importance`.
        cover: `(I, J, K)`, the share of each voxel that the region covers; one side of a region that has two.

    Returns:
        Share of the places with a lower mean importance than the region's, ties half: 0.5 by chance, 1 at the top. NaN
        where the region is empty, or fewer than a tenth of `draws` places are found.
    """
    cover = cover * brain
    total = float(cover.sum())
    if total <= 0:
        return float("nan")
    corner, stop = _bounds(cover)
    part = cover[tuple(slice(a, b) for a, b in zip(corner, stop, strict=True))].numpy()
    values, inside, own = importance.numpy(), brain.numpy().astype(np.float32), cover.numpy()
    mine = float((part * _window(values, corner, part.shape)).sum()) / total
    lower: list[float] = []
    for _ in range(20 * draws):
        moved = part[::-1] if random.integers(2) else part
        start = [int(random.integers(edge - size + 1)) for edge, size in zip(brain.shape, part.shape, strict=True)]
        weight = moved * _window(inside, start, part.shape)
        kept = float(weight.sum())
        if kept < 0.95 * total or float((weight * (_window(own, start, part.shape) > 0)).sum()) > 0.25 * total:
            continue
        there = float((weight * _window(values, start, part.shape)).sum()) / kept
        lower.append(1.0 if there < mine else 0.5 if there == mine else 0.0)
        if len(lower) == draws:
            break
    return float(np.mean(lower)) if len(lower) >= draws / 10 else float("nan")


def sides(cover: Tensor, affine: NDArray[np.float64]) -> list[Tensor]:
    """A region's left and right part, by the sign of world x; a region on the midline stays whole.

    A region has two sides where less than a tenth of it lies within 3 mm of the midline.
    """
    i, j, k = (torch.arange(edge, dtype=torch.float64) for edge in cover.shape)
    x = affine[0, 0] * i[:, None, None] + affine[0, 1] * j[None, :, None] + affine[0, 2] * k + affine[0, 3]
    middle = float(cover[x.abs() < MIDLINE_MM].sum())
    if middle > 0.1 * float(cover.sum()):
        return [cover]
    return [cover * (x < 0), cover * (x > 0)]


def _bounds(cover: Tensor) -> tuple[list[int], list[int]]:
    places = torch.nonzero(cover > 0)
    return places.min(0).values.tolist(), (places.max(0).values + 1).tolist()


def _window(values: NDArray[np.float32], start: Sequence[int], shape: Sequence[int]) -> NDArray[np.float32]:
    return values[tuple(slice(a, a + size) for a, size in zip(start, shape, strict=True))]
