"""Parcels that a linear reader is given: blocks of the world, or a person's own labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interpbench.planting.parcels import (
    BLOCK,
    around,
    blocks_of,
    common_keys,
    filled,
    labels_of,
    matrix_of,
    share_space,
)
from interpbench.planting.tissue import Tissue

AFFINES = {
    "2 mm": np.diag([2.0, 2.0, 2.0, 1.0]),
    "anisotropic": np.diag([1.0, 2.0, 4.0, 1.0]),
    "turned": np.array([[0, 2.0, 0, -7], [-2.0, 0, 0, 11], [0, 0, -2.0, 5], [0, 0, 0, 1]]),
}


def head(affine: np.ndarray, seed: int = 0, shape: tuple[int, int, int] = (14, 12, 10)) -> Tissue:
    """A brain of random intensities that is not a box, with a background of 3."""
    random = np.random.default_rng(seed)
    brain = np.zeros(shape, dtype=bool)
    brain[2:12, 1:11, 2:9] = True
    brain[2:6, 1:4] = False
    values = np.where(brain, 100 + 50 * random.random(shape), 3).astype(np.float32)
    return Tissue(values, brain, affine, 3.0, 10.0)


def block_of(affine: np.ndarray, voxel: tuple[int, ...]) -> tuple[int, ...]:
    """By hand: the block of the world in which a voxel's centre lies."""
    world = affine[:3, :3] @ np.array(voxel) + affine[:3, 3]
    return tuple(int(np.floor(one / BLOCK + 1e-6)) for one in world)


@pytest.mark.parametrize("name", AFFINES)
def test_voxels_are_in_one_parcel_exactly_if_they_lie_in_one_block_of_the_world(name: str) -> None:
    tissue = head(AFFINES[name])
    parcels = blocks_of(tissue)
    blocks = [block_of(tissue.affine, voxel) for voxel in zip(*np.nonzero(tissue.brain), strict=True)]
    assert len(set(blocks)) == len(parcels.keys) == len(set(parcels.keys.tolist()))
    assert len(set(zip(blocks, parcels.place.tolist(), strict=True))) == len(parcels.keys)


@pytest.mark.parametrize("name", AFFINES)
def test_the_mean_of_a_parcel_is_that_of_its_brain_voxels_over_the_brains_median(name: str) -> None:
    tissue = head(AFFINES[name])
    parcels = blocks_of(tissue)
    found = parcels.means(tissue.values, tissue)
    inside = tissue.values[tissue.brain] - 3
    every: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for voxel in itertools.product(*map(range, tissue.brain.shape)):
        every.setdefault(block_of(tissue.affine, voxel), []).append(voxel)
    wanted = {}
    for voxel, parcel in zip(zip(*np.nonzero(tissue.brain), strict=True), parcels.place, strict=True):
        members = every[block_of(tissue.affine, voxel)]
        total = sum(float(tissue.values[one]) - 3 for one in members if tissue.brain[one])
        wanted[int(parcel)] = total / len(members) / np.median(inside)
    np.testing.assert_allclose(found, [wanted[number] for number in range(len(parcels.keys))], rtol=1e-4)


def test_a_louder_scanner_changes_no_mean() -> None:
    tissue = head(AFFINES["2 mm"])
    louder = Tissue(tissue.values * 7, tissue.brain, tissue.affine, 21.0, 70.0)
    quiet, loud = (blocks_of(one).means(one.values, one) for one in (tissue, louder))
    np.testing.assert_allclose(loud, quiet, rtol=1e-5)


def test_the_same_place_of_the_world_has_the_same_key_on_another_grid() -> None:
    fine, coarse = head(np.diag([2.0, 2, 2, 1])), np.diag([4.0, 4, 4, 1])
    coarse[:3, 3] = 1.0
    brain = fine.brain.reshape(7, 2, 6, 2, 5, 2).any(axis=(1, 3, 5))
    other = Tissue(np.where(brain, 120, 3).astype(np.float32), brain, coarse, 3.0, 10.0)
    assert set(blocks_of(fine).keys) == set(blocks_of(other).keys)


def test_labels_are_parcels_by_their_numbers() -> None:
    tissue = head(AFFINES["2 mm"])
    labels = np.random.default_rng(1).integers(0, 4, tissue.brain.shape)
    parcels = labels_of(tissue, labels)
    assert parcels.keys.tolist() == [0, 1, 2, 3] and parcels.size.sum() == tissue.brain.sum()
    inside = tissue.values - 3
    expected = [inside[tissue.brain & (labels == key)].mean() / np.median(inside[tissue.brain]) for key in range(4)]
    np.testing.assert_allclose(parcels.means(tissue.values, tissue), expected, rtol=1e-5)


def test_a_mask_touches_the_parcels_in_which_it_has_a_voxel() -> None:
    tissue = head(AFFINES["2 mm"])
    labels = np.random.default_rng(1).integers(0, 4, tissue.brain.shape)
    mask = np.zeros_like(tissue.brain)
    mask[0, 0, 0] = True  # outside the brain, of any label
    assert labels_of(tissue, labels).touched(mask, tissue.brain).size == 0
    place = tuple(np.argwhere(tissue.brain & (labels == 2))[0])
    mask[place] = True
    assert labels_of(tissue, labels).touched(mask, tissue.brain).tolist() == [2]


def test_brains_in_one_place_share_a_space_and_one_that_is_moved_does_not_change_that() -> None:
    here = [filled(blocks_of(head(AFFINES["2 mm"], seed))) for seed in range(5)]
    moved = AFFINES["2 mm"].copy()
    moved[0, 3] = 90.0
    far = filled(blocks_of(head(moved)))
    assert share_space(here) and share_space([*here, far])


def test_brains_in_places_of_their_own_share_no_space() -> None:
    brains = []
    for number in range(4):
        affine = AFFINES["2 mm"].copy()
        affine[:3, 3] = 40.0 * number
        brains.append(filled(blocks_of(head(affine))))
    assert not share_space(brains)


def test_a_parcel_counts_that_half_of_the_people_have_and_who_lacks_it_has_0() -> None:
    rows = [(np.array([1, 2, 5]), np.float32([10, 20, 50])), (np.array([2, 7]), np.float32([21, 71]))]
    keys = common_keys([own for own, _ in [*rows, (np.array([2, 5]), None), (np.array([2]), None)]])
    assert keys.tolist() == [2, 5]
    assert matrix_of(keys, rows).tolist() == [[20, 50], [21, 0]]


@pytest.mark.parametrize("name", AFFINES)
def test_around_a_block_lie_its_26_neighbours(name: str) -> None:
    tissue = head(AFFINES[name], shape=(14, 12, 10))
    parcels = blocks_of(tissue)
    place = {int(parcel): block_of(tissue.affine, voxel) for voxel, parcel in _voxels(tissue, parcels.place)}
    start = 0
    near = set(around(parcels.keys[[start]]).tolist())
    assert len(near) == 27
    for parcel, block in place.items():
        distance = max(abs(a - b) for a, b in zip(block, place[start], strict=True))
        assert (int(parcels.keys[parcel]) in near) == (distance <= 1)


def _voxels(tissue: Tissue, place: np.ndarray) -> list[tuple[tuple[int, ...], int]]:
    return list(zip(zip(*np.nonzero(tissue.brain), strict=True), place, strict=True))
