"""The parts of a brain that are hidden as a whole: an atlas's regions, or cubes."""

from __future__ import annotations

import torch
from torch import Tensor

from interpbench import Case, NotApplicable

LEAST = 1 / 8  # of a cube that must be brain; what has less goes to the nearest cube that has more


def regions_of(case: Case, edge: float) -> Tensor:
    """The atlas's regions inside the brain, or cubes without an atlas.

    Args:
        edge: of the cubes, mm.

    Returns:
        `(I, J, K)` int64: 1 to R, each present; 0 for what belongs to none.

    Raises:
        NotApplicable: there are fewer than two.
    """

    def make() -> Tensor:
        if case.regions is None:
            return cubes(case.brain, max(1, round(edge / case.voxel_size)))
        return numbered(case.regions * case.brain)

    found: Tensor = case.once(f"regions {edge}", make)
    if int(found.max()) < 2:
        what = f"in one cube of {edge:g} mm" if case.regions is None else "in one region of the atlas"
        raise NotApplicable(f"the brain lies {what}, so regions cannot be ranked")
    return found


def cubes(brain: Tensor, edge: int) -> Tensor:
    """Cut a brain into cubes, from the centre of its box outwards.

    A cube that holds less than an eighth of its voxels of brain goes to the nearest one that holds more, by the
    distance of their brain voxels' centres.

    Args:
        brain: `(I, J, K)` bool.
        edge: of a cube, voxels.

    Returns:
        `(I, J, K)` int64: 1 to R inside the brain, 0 outside.
    """
    if not bool(brain.any()):
        return torch.zeros_like(brain, dtype=torch.int64)
    coordinates = brain.nonzero()  # (N, 3)
    low, high = coordinates.amin(dim=0), coordinates.amax(dim=0)
    extent = high - low + 1
    numbers = -(-extent // edge)  # of cubes along each axis
    shift = (numbers * edge - extent) // 2
    cell = (coordinates - low + shift) // edge
    label = (cell[:, 0] * numbers[1] + cell[:, 1]) * numbers[2] + cell[:, 2]
    _, label, count = torch.unique(label, return_inverse=True, return_counts=True)
    large = count >= LEAST * edge**3
    if bool(large.any()):
        centres = torch.zeros(len(count), 3, dtype=torch.float64, device=brain.device)
        centres = centres.index_add_(0, label, coordinates.double()) / count[:, None]
        distances = torch.cdist(centres, centres[large])
        nearest = large.nonzero()[:, 0][distances.argmin(dim=1)]
        label = torch.where(large[label], label, nearest[label])
    grid = torch.zeros(brain.shape, dtype=torch.int64, device=brain.device)
    grid[brain] = label + 1
    return numbered(grid)


def numbered(labels: Tensor) -> Tensor:
    """The same regions, numbered from 1 up without gaps; 0 stays 0 (and so does what is below). `(I, J, K)` int64."""
    labels = labels.to(torch.int64).clamp(min=0)
    present = labels.unique()
    return torch.searchsorted(present[present > 0], labels) + (labels > 0)
