"""Where the boxes lie, and how their effects become a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from interpbench import UsageError
from interpbench_occlusion.boxes import BoxGrid

GRIDS = [
    BoxGrid((6, 7, 8), (3, 2, 4), (2, 2, 3)),
    BoxGrid((6, 7, 8), (4, 3, 5), (4, 3, 5)),  # no axis fits evenly
    BoxGrid((6, 7, 8), (6, 1, 8), (1, 1, 1)),  # as large as the volume along two axes
    BoxGrid((6, 7, 8), (6, 7, 8), (3, 7, 1)),
]


def effects_for(grid: BoxGrid) -> torch.Tensor:
    return torch.randn(len(grid.boxes), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("grid", GRIDS)
def test_boxes_cover_every_voxel_and_stay_inside(grid: BoxGrid) -> None:
    covered = torch.zeros(grid.shape)
    for box in grid.boxes:
        assert all(0 <= span.start < span.stop <= edge for span, edge in zip(box, grid.shape, strict=True))
        covered[box] += 1
    assert covered.min() >= 1


def test_a_last_box_that_does_not_fit_is_cut_off() -> None:
    grid = BoxGrid((7, 4, 4), (3, 4, 4), (3, 4, 4))
    assert grid.spans[0] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert grid.spans[1] == [slice(0, 4)]


@pytest.mark.parametrize("grid", GRIDS)
def test_the_average_is_the_sum_over_covering_boxes_divided_by_their_number(grid: BoxGrid) -> None:
    effects, total, number = effects_for(grid), torch.zeros(grid.shape).double(), torch.zeros(grid.shape).double()
    for effect, box in zip(effects, grid.boxes, strict=True):
        total[box] += effect
        number[box] += 1
    torch.testing.assert_close(grid.average(effects), total / number)


@pytest.mark.parametrize("grid", GRIDS[:2])
def test_interpolation_agrees_with_scipys(grid: BoxGrid) -> None:
    effects = effects_for(grid)
    centres = [[(span.start + span.stop - 1) / 2 for span in spans] for spans in grid.spans]
    coarse = effects.reshape([len(along) for along in centres]).numpy()
    places = np.stack(np.meshgrid(*(np.arange(edge) for edge in grid.shape), indexing="ij"), axis=-1).astype(float)
    inside = np.clip(places, [along[0] for along in centres], [along[-1] for along in centres])
    expected = RegularGridInterpolator(centres, coarse)(inside)
    np.testing.assert_allclose(grid.interpolate(effects).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_equal_effects_give_an_even_map(grid: BoxGrid) -> None:
    same = torch.full((len(grid.boxes),), 2.5, dtype=torch.float64)
    for map in (grid.average(same), grid.interpolate(same)):
        torch.testing.assert_close(map, torch.full(grid.shape, 2.5, dtype=torch.float64))


def test_a_box_larger_than_the_volume_is_refused() -> None:
    with pytest.raises(UsageError, match="box must fit into the network's grid of 6x7x8 voxels, got 6x8x8"):
        BoxGrid((6, 7, 8), (6, 8, 8), (1, 1, 1))


@contextmanager
def largest_tensor() -> Iterator[Callable[[], int]]:
    """How many numbers the largest tensor had that an operation made."""
    sizes = [0]

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            sizes.extend(one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor))
            return made

    with Watch():
        yield lambda: max(sizes)


def test_effects_are_spread_over_a_full_size_volume_in_little_memory() -> None:
    grid = BoxGrid((140, 176, 140), (16, 16, 16), (16, 16, 16))
    effects = torch.arange(len(grid.boxes), dtype=torch.float64)
    with largest_tensor() as largest:
        spreads = grid.average(effects), grid.interpolate(effects)
    assert largest() <= 140 * 176 * 140
    for spread in spreads:
        assert spread.shape == grid.shape
        assert float(spread[0, 0, 0]) == 0
        assert float(spread[-1, -1, -1]) == len(grid.boxes) - 1
