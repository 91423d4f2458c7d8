"""Blocks and labels as a linear reader sees them: sums are kept, and no orientation of the file changes a key."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interpbench.planting.parcels import (
    BLOCK,
    Parcels,
    around,
    blocks_of,
    common_keys,
    filled,
    labels_of,
    matrix_of,
    share_space,
)
from interpbench.planting.tissue import Tissue

SHAPE = (9, 7, 11)


def keys_of(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def tissue_on(affine: np.ndarray, background: float = 0.0, seed: int = 0) -> Tissue:
    """Noise above a background in a brain of odd form."""
    random = np.random.default_rng(seed)
    values = (background + random.uniform(50, 150, SHAPE)).astype(np.float32)
    return Tissue(values, random.random(SHAPE) < 0.6, affine, background, background)


def turned(tissue: Tissue, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Tissue:
    """The same image with its axes in another order and direction."""
    values, brain, affine = tissue.values, tissue.brain, tissue.affine.copy()
    for axis, flip in enumerate(flips):
        if flip:
            values, brain = np.flip(values, axis), np.flip(brain, axis)
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
    affine[:, :3] = affine[:, list(order)]
    return Tissue(values.transpose(order), brain.transpose(order), affine, tissue.background, tissue.fluid)


AFFINE = np.array([[2.3, 0, 0, -9.1], [0, 3.1, 0, -7.7], [0, 0, 1.9, 4.2], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    "flips", [(False, False, False), (True, False, False), (False, True, True), (True, True, True)]
)
def test_blocks_are_the_same_however_the_file_is_turned(
    order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> None:
    tissue = tissue_on(AFFINE)
    other = turned(tissue, order, flips)
    one, two = blocks_of(tissue), blocks_of(other)
    assert np.array_equal(one.keys, two.keys) and np.array_equal(one.size, two.size)
    np.testing.assert_allclose(two.means(other.values, other), one.means(tissue.values, tissue), rtol=1e-5)
    assert np.array_equal(filled(one), filled(two))


@pytest.mark.parametrize("background", [0.0, 700.0, -40.0])
def test_means_times_sizes_add_up_to_the_brain_above_the_background(background: float) -> None:
    tissue = tissue_on(AFFINE, background)
    whole = (tissue.values[tissue.brain].astype(np.float64) - background).sum()
    labels = np.random.default_rng(1).integers(0, 5, SHAPE)
    for parcels in (blocks_of(tissue), labels_of(tissue, labels)):
        means = parcels.means(tissue.values, tissue).astype(np.float64)
        assert (means * parcels.size).sum() * tissue.level == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("axis", range(3))
def test_a_step_of_one_block_moves_every_key_by_the_same_number(axis: int) -> None:
    steps = around(keys_of(0))
    moved = AFFINE.copy()
    moved[axis, 3] += BLOCK
    difference = blocks_of(tissue_on(moved)).keys - blocks_of(tissue_on(AFFINE)).keys
    assert len(set(difference.tolist())) == 1 and difference[0] in steps and difference[0] > 0


@pytest.mark.parametrize(("edges", "number"), [((1, 1, 1), 27), ((2, 1, 1), 36), ((2, 2, 2), 64), ((1, 3, 2), 60)])
def test_around_a_box_of_blocks_is_a_box_one_larger_on_each_side(edges: tuple[int, ...], number: int) -> None:
    shape = tuple(3 * edge for edge in edges)  # voxels of a third of a block
    affine = np.diag([BLOCK / 3, BLOCK / 3, BLOCK / 3, 1.0])
    affine[:3, 3] = BLOCK / 6
    whole = np.ones(shape, dtype=bool)
    touched = blocks_of(Tissue(np.ones(shape, np.float32), whole, affine, 0.0, 0.0)).touched(whole, whole)
    assert len(touched) == np.prod(edges)
    assert len(around(touched)) == number and set(touched.tolist()) <= set(around(touched).tolist())


def test_nothing_touched_has_nothing_around_it() -> None:
    tissue = tissue_on(AFFINE)
    parcels = blocks_of(tissue)
    assert parcels.touched(np.zeros(SHAPE, dtype=bool), tissue.brain).tolist() == []
    assert parcels.touched(~tissue.brain, tissue.brain).tolist() == []  # a mask beside the brain
    assert around(keys_of()).tolist() == []


def test_region_0_is_a_region_and_a_label_outside_the_brain_is_none() -> None:
    tissue = tissue_on(AFFINE)
    labels = np.where(tissue.brain, np.indices(SHAPE)[1] % 3 * 10, 99)
    parcels = labels_of(tissue, labels)
    assert parcels.keys.tolist() == [0, 10, 20] and parcels.size.sum() == tissue.brain.sum() == len(parcels.place)
    mask = (labels == 20) | (labels == 99)
    assert parcels.touched(mask, tissue.brain).tolist() == [20]


@pytest.mark.parametrize(
    ("inside", "size", "is_filled"), [(4, 8, True), (3, 8, False), (8, 8, True), (1, 2, True), (1, 3, False)]
)
def test_a_block_is_filled_from_exactly_half_on(inside: int, size: int, is_filled: bool) -> None:
    parcels = Parcels(keys_of(5), np.zeros(inside, dtype=int), np.array([size]))
    assert filled(parcels).tolist() == ([5] if is_filled else [])


@pytest.mark.parametrize(
    ("brains", "shared"),
    [
        ([(1, 2, 3)], True),
        ([(1, 2, 3)] * 5, True),
        ([(1, 2), (3, 4)], False),  # half have each: all four are common, and the Dice of each is 2/3
        ([(1, 2, 3, 4)] * 3 + [(7, 8)], True),  # one stray does not move the median
        ([(1, 2)] + [()] * 2, False),
        ([(), ()], False),
        ([(1, 2, 3, 4), (1, 2, 3, 5)] * 2, True),  # 2 * 4 / 9 = 0.89
    ],
)
def test_brains_share_a_space_where_their_median_dice_is_high(brains: list[tuple[int, ...]], shared: bool) -> None:
    assert share_space([keys_of(*one) for one in brains]) is shared


@pytest.mark.parametrize(
    ("people", "common"),
    [
        ([(1, 2)], [1, 2]),
        ([(1, 2), (2, 3)], [1, 2, 3]),
        ([(1, 2), (2, 3), (2, 4)], [2]),
        ([(1,), (), (1,), ()], [1]),
        ([(), ()], []),
    ],
)
def test_common_are_the_parcels_of_at_least_half(people: list[tuple[int, ...]], common: list[int]) -> None:
    assert common_keys([keys_of(*one) for one in people]).tolist() == common


def test_a_matrix_has_each_persons_means_under_their_keys_and_0_where_a_key_is_missing() -> None:
    rows = [
        (keys_of(2, 5, 9), np.array([0.2, 0.5, 0.9], dtype=np.float32)),
        (keys_of(), np.array([], dtype=np.float32)),
        (keys_of(1, 9, 70), np.array([1.0, 3.0, 4.0], dtype=np.float32)),
    ]
    found = matrix_of(keys_of(1, 5, 9), rows)
    np.testing.assert_allclose(found, [[0, 0.5, 0.9], [0, 0, 0], [1, 0, 3]], rtol=1e-6)
    assert matrix_of(keys_of(), rows).shape == (3, 0)
