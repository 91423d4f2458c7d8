"""Larger voxels that hold whole blocks of the map's: the peaks are those of a block-wise maximum, and signs mirror."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from interpbench.images.peaks import move_peaks

Edges = tuple[int, int, int]
WANTED: Edges = (3, 4, 2)


def grids(factors: Edges, voxel: float = 1.5) -> tuple[np.ndarray, np.ndarray, Edges]:
    """The map's grid and one of voxels that hold `factors` of the map's along each axis, from one corner on."""
    map_affine = np.diag([voxel, voxel, voxel, 1.0])
    map_affine[:3, 3] = [-4.0, 7.0, 2.5]
    affine = map_affine @ np.diag([*factors, 1.0])
    affine[:3, 3] += [voxel * (factor - 1) / 2 for factor in factors]
    shape = tuple(edge * factor for edge, factor in zip(WANTED, factors, strict=True))
    return map_affine, affine, (shape[0], shape[1], shape[2])


def noise(shape: Edges, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def blockwise(values: np.ndarray, factors: Edges) -> np.ndarray:
    """Of each block, the value of largest magnitude."""
    found = np.zeros(WANTED, dtype=np.float32)
    for place in np.ndindex(WANTED):
        part = values[tuple(slice(at * factor, (at + 1) * factor) for at, factor in zip(place, factors, strict=True))]
        found[place] = part.ravel()[np.abs(part).argmax()]
    return found


BLOCKS = [(2, 2, 2), (2, 3, 4), (5, 2, 3), (1, 1, 4), (3, 1, 1), (2, 1, 3), (4, 2, 1)]


@pytest.mark.parametrize("factors", BLOCKS)
def test_a_voxel_takes_the_value_of_largest_magnitude_in_its_block(factors: Edges) -> None:
    map_affine, affine, shape = grids(factors)
    found = move_peaks(noise(shape), map_affine, affine, WANTED)
    np.testing.assert_allclose(found.numpy(), blockwise(noise(shape).numpy(), factors), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factors", [(2, 3, 4), (1, 1, 4), (2, 1, 3)])
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_the_directions_in_which_the_two_files_run_change_nothing(factors: Edges, flips: tuple[bool, ...]) -> None:
    map_affine, affine, shape = grids(factors)
    expected = move_peaks(noise(shape), map_affine, affine, WANTED)
    axes = [axis for axis, flip in enumerate(flips) if flip]
    turned, other = map_affine.copy(), affine.copy()
    for axis in axes:
        turned[:3, 3] += turned[:3, axis] * (shape[axis] - 1)
        turned[:3, axis] *= -1
        other[:3, 3] += other[:3, axis] * (WANTED[axis] - 1)
        other[:3, axis] *= -1
    of_turned = move_peaks(noise(shape).flip(axes), turned, affine, WANTED)
    on_turned = move_peaks(noise(shape), map_affine, other, WANTED)
    torch.testing.assert_close(of_turned, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(on_turned.flip(axes), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 1, 4), (2, 1, 3)])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_the_axes_changes_nothing(factors: Edges, order: Edges) -> None:
    map_affine, affine, shape = grids(factors)
    expected = move_peaks(noise(shape), map_affine, affine, WANTED).permute(order)
    columns = [*order, 3]
    wanted = tuple(WANTED[axis] for axis in order)
    found = move_peaks(noise(shape), map_affine, affine[:, columns], wanted)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found = move_peaks(noise(shape).permute(order).contiguous(), map_affine[:, columns], affine, WANTED)
    torch.testing.assert_close(found.permute(order), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factors", BLOCKS)
@pytest.mark.parametrize("by", [-1.0, 3.0, -0.001])
def test_a_map_times_a_number_has_its_peaks_times_that_number(factors: Edges, by: float) -> None:
    map_affine, affine, shape = grids(factors)
    one, other = (move_peaks(some, map_affine, affine, WANTED) for some in (noise(shape), by * noise(shape)))
    torch.testing.assert_close(other, by * one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factors", BLOCKS)
def test_larger_magnitudes_never_lower_a_peak(factors: Edges) -> None:
    map_affine, affine, shape = grids(factors)
    small = noise(shape).abs()
    found = [move_peaks(some, map_affine, affine, WANTED) for some in (small, small + noise(shape, 1).abs())]
    assert (found[1] >= found[0] - 1e-6).all() and (found[0] > 0).all()


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 1, 4)])
def test_what_is_moved_is_left_as_it_is(factors: Edges) -> None:
    map_affine, affine, shape = grids(factors)
    given, before = noise(shape), (map_affine.copy(), affine.copy())
    move_peaks(given, map_affine, affine, WANTED).add_(1)
    assert torch.equal(given, noise(shape))
    assert np.array_equal(map_affine, before[0]) and np.array_equal(affine, before[1])


@pytest.mark.parametrize("value", [2.5, -2.5])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 4), (4, 1, 4), (4, 4, 1)])
def test_a_map_one_voxel_thick_keeps_its_peak(shape: Edges, value: float) -> None:
    map = torch.zeros(shape)
    map[tuple(edge // 2 for edge in shape)] = value
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-3.9, -4.2, -4.1]
    found = move_peaks(map, np.eye(4), affine, (4, 4, 4))
    assert found.flatten()[found.abs().argmax()].item() == value


@pytest.mark.parametrize("wanted", [(1, 1, 1), (1, 2, 1), (3, 1, 1)])
def test_a_grid_one_voxel_thick_takes_the_peak_of_what_lies_in_it(wanted: Edges) -> None:
    map, affine = noise((6, 6, 6)), np.diag([6.0, 6.0, 6.0, 1.0])
    affine[:3, 3] = 2.5
    found = move_peaks(map, np.eye(4), affine, wanted)
    assert tuple(found.shape) == wanted and torch.count_nonzero(found) == 1
    assert found[0, 0, 0] == map.flatten()[map.abs().argmax()]
