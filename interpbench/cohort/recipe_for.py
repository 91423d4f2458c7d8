"""Chooses the recipe for a cohort: voxel size, shape and centre, from its images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.images.brain import brain_in
from interpbench.images.grid import box_affine, middle_of, snapped
from interpbench.images.recipe import PAPER_BOX, Recipe
from interpbench.images.volume import Header, read_header, read_volume


def recipe_for(
    subjects: Sequence[Subject],
    *,
    voxel_size: float | None = None,
    shape: tuple[int, int, int] | None = None,
    orientation: str = "RAS",
    centre: tuple[float, float, float] | None = None,
    normalise: str = "brain",
    apply_mask: bool = True,
) -> Recipe:
    """The recipe that suits a cohort.

    Args:
        subjects: the cohort's; up to 200 headers and 20 images are read, and what cannot be read is passed over.
        voxel_size: in mm; by default the median edge of the images' voxels.
        shape: by default the paper's box of 140 x 176 x 140 mm.
        centre: by default, where all images share one grid, the middle of where at least half of the brains are, set
            so that voxels of equal size need no interpolation; otherwise none.
        orientation, normalise, apply_mask: as in `Recipe`.

    Raises:
        InputError: no image can be read.
    """
    headers = _headers(subjects)
    if voxel_size is None:
        voxel_size = round(float(np.median([header.zooms for header in headers])), 4)
    if shape is None:
        first, second, third = (max(1, round(edge / voxel_size)) for edge in PAPER_BOX)
        shape = (first, second, third)
    recipe = Recipe(
        shape=shape,
        voxel_size=voxel_size,
        orientation=orientation,
        centre=centre,
        normalise=normalise,
        apply_mask=apply_mask,
    )
    if centre is not None or not _one_grid(headers):
        return recipe
    lattice = headers[0].affine
    affine = box_affine(shape, voxel_size, orientation, middle_of(_common_brain(subjects), lattice))
    middle = snapped(affine, lattice) @ [*((edge - 1) / 2 for edge in shape), 1]
    x, y, z = (round(float(place), 6) + 0.0 for place in middle[:3])
    return dataclasses.replace(recipe, centre=(x, y, z))


def _spread(subjects: Sequence[Subject], number: int) -> list[Subject]:
    """Up to `number` of them, evenly from first to last."""
    places = np.unique(np.linspace(0, len(subjects) - 1, min(number, len(subjects))).round().astype(int))
    return [subjects[place] for place in places]


def _headers(subjects: Sequence[Subject]) -> list[Header]:
    headers, refused = [], InputError("a recipe cannot be chosen for a cohort without subjects.")
    for subject in _spread(subjects, 200):
        try:
            headers.append(read_header(subject.image, max_voxels=subject.rules.max_voxels))
        except InputError as error:
            refused = error
    if not headers:
        raise refused
    return headers


def _one_grid(headers: Sequence[Header]) -> bool:
    first = headers[0]
    return all(one.shape == first.shape and np.allclose(one.affine, first.affine, atol=1e-3) for one in headers)


def _common_brain(subjects: Sequence[Subject]) -> Tensor:
    """The voxels `(I, J, K)` in at least half of up to 20 brains on one grid; of every brain if these are apart."""
    brains, refused = [], InputError("a recipe cannot be chosen for a cohort without subjects.")
    for subject in _spread(subjects, 20):
        try:
            image = read_volume(
                subject.image, max_voxels=subject.rules.max_voxels, nan_to_zero=subject.rules.nan_to_zero
            )
            brains.append(brain_in(image, subject.mask)[0])
        except InputError as error:
            refused = error
    if not brains:
        raise refused
    shares = torch.stack(brains).float().mean(dim=0)
    return shares >= min(0.5, float(shares.max()))
