"""The order of voxels or regions by importance, where many may be equally important.

Flat stretches are common: maps of regions, maps that are 0 nearly everywhere. To break ties by the voxel's index would
hide one side of the brain before the other, and give a map a score for what it never said; so ties are broken at
random, by the same random numbers for every method of a subject.
"""

from __future__ import annotations

import torch
from torch import Tensor

from interpbench import NotApplicable


def check_not_flat(importance: Tensor) -> None:
    """Refuse a map without information.

    Args:
        importance: of the brain's voxels, `(N,)`.

    Raises:
        NotApplicable: all are the same.
    """
    if importance.numel() == 0 or bool((importance == importance[0]).all()):
        raise NotApplicable("the map is the same everywhere in the brain")


def places(importance: Tensor, generator: torch.Generator) -> Tensor:
    """Each one's place in the order, 0 for the most important; ties at random.

    Args:
        importance: `(N,)`.
        generator: on the CPU.

    Returns:
        `(N,)` int64, each of 0 to N - 1 once.
    """
    shuffled = torch.randperm(len(importance), generator=generator).to(importance.device)
    order = shuffled[importance[shuffled].argsort(descending=True, stable=True)]
    found = torch.empty_like(order)
    found[order] = torch.arange(len(order), device=order.device)
    return found


def shared_ranks(values: Tensor) -> Tensor:
    """The rank of each value from 1 for the lowest, `(N,)` float64; equal values share the mean of their ranks.

    On the values' own device: a map's millions of voxels need not leave the GPU for SciPy.
    """
    _, place, count = torch.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    ranks: Tensor = (last - (count - 1) / 2)[place]
    return ranks


def on_grid(values: Tensor, brain: Tensor, outside: float) -> Tensor:
    """`(N,)` values of the brain's voxels back on the grid, `(I, J, K)`, with `outside` elsewhere."""
    grid = torch.full(brain.shape, outside, dtype=values.dtype, device=values.device)
    grid[brain] = values
    return grid
