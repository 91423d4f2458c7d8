"""Where a volume is cut: the same places in every orientation, in mm, and inside what is shown."""

from __future__ import annotations

import itertools
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from interpbench.errors import UsageError
from interpbench.report.slices import Upright, bounding_box, grey_range, inside_of, letters, spread_slices

SHAPE = (5, 6, 7)
AFFINE = np.array([[2.0, 0, 0, -9], [0, 3, 0, 4], [0, 0, 1.5, -2], [0, 0, 0, 1]])
VALUES = np.random.default_rng(0).normal(size=SHAPE)
ORIENTATIONS = [
    "".join(codes) for axes in itertools.permutations(("RL", "AP", "SI")) for codes in itertools.product(*axes)
]


def stored(codes: str) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels in the same places, stored along other axes."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nib.apply_orientation(VALUES, turn), AFFINE @ inv_ornt_aff(turn, SHAPE)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_volume_stands_upright_whatever_way_it_is_stored(codes: str) -> None:
    upright = Upright.of(*stored(codes))
    assert np.array_equal(upright.data, VALUES)
    assert np.allclose(upright.affine, AFFINE)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_cut_has_right_or_front_at_the_right_and_up_above_in_mm(axis: Any) -> None:
    upright = Upright.of(VALUES, AFFINE)
    place = "xyz".index(axis)
    cut = upright.cut(axis, 2)
    across, up = (one for one in range(3) if one != place)
    for column, row in itertools.product(range(SHAPE[across]), range(SHAPE[up])):
        index = [0, 0, 0]
        index[place], index[across], index[up] = 2, column, row
        assert cut[row, column] == VALUES[tuple(index)]
    sizes = np.array(SHAPE) * (2, 3, 1.5)
    assert upright.extent(axis) == (0, sizes[across], 0, sizes[up])
    assert letters(axis) == (("P", "A") if axis == "x" else ("L", "R"))


def test_positions_are_those_of_voxel_centres_also_where_axes_lie_oblique() -> None:
    turned = AFFINE.copy()
    turned[:3, :3] = np.array([[0.9, -0.1, 0.2], [0.1, 1.1, 0.0], [-0.2, 0.05, 0.95]]) @ AFFINE[:3, :3]
    for affine in (AFFINE, turned):
        upright = Upright.of(VALUES, affine)
        for axis, index in itertools.product(range(3), (0, 3)):
            middle = [(edge - 1) / 2 for edge in SHAPE]
            middle[axis] = index
            assert upright.position(axis, index) == pytest.approx(nib.affines.apply_affine(affine, middle)[axis])
            assert upright.edge(axis) == pytest.approx(nib.affines.voxel_sizes(affine)[axis])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*(st.integers(0, edge - 1) for edge in SHAPE)), min_size=1, max_size=6))
def test_a_box_is_the_smallest_around_all_that_is_inside(places: list[tuple[int, int, int]]) -> None:
    inside = np.zeros(SHAPE, bool)
    inside[tuple(np.array(places).T)] = True
    box = bounding_box(inside)
    assert inside[box].sum() == inside.sum()
    for axis, side in enumerate(box):
        assert (side.start, side.stop - 1) == (min(one[axis] for one in places), max(one[axis] for one in places))
    upright = Upright(VALUES, AFFINE)
    cropped = upright.cropped(box)
    assert np.array_equal(cropped.data, VALUES[box])
    corner = np.array([side.start for side in box])
    assert cropped.affine[:3, 3] == pytest.approx(nib.affines.apply_affine(AFFINE, corner))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 9))
def test_slices_lie_inside_evenly_and_from_one_end_to_the_other(start: int, length: int, count: int) -> None:
    inside = np.zeros((2, 3, 70), bool)
    inside[1, 1:, start : start + length] = True
    places = spread_slices(inside, "z", count)
    assert len(places) == count and places == sorted(places)
    assert start <= places[0] and places[-1] <= start + length - 1
    steps = np.diff(places)
    assert not len(steps) or steps.max() - steps.min() <= 1
    if count > 1:
        assert places[0] + places[-1] == pytest.approx(2 * start + length - 1, abs=1)  # as far from either end


@pytest.mark.parametrize(
    ("change", "count"),
    [
        pytest.param(lambda one: one, 8, id="an even background"),
        pytest.param(lambda one: one * 0, 60, id="nothing but background"),
        pytest.param(lambda one: np.where(np.arange(5) == 0, one + 1, one), 60, id="corners that differ"),
        pytest.param(lambda one: one - 1, 8, id="a background below zero"),
    ],
)
def test_what_differs_from_the_corners_is_inside_and_all_where_there_is_no_background(change: Any, count: int) -> None:
    background = np.zeros((3, 4, 5))
    background[:2, 1:3, 2:4] = 7
    assert inside_of(change(background)).sum() == count


def test_thin_volumes_have_an_inside_too() -> None:
    for shape in ((1, 1, 1), (1, 4, 1), (2, 1, 3)):
        assert inside_of(np.zeros(shape)).all()


def test_grey_leaves_out_one_in_two_hundred_at_either_end_and_is_never_empty() -> None:
    values = np.arange(1001.0).reshape(7, 11, 13)
    assert grey_range(values, np.ones(values.shape, bool)) == (5.0, 995.0)
    low, high = grey_range(np.full((2, 2, 2), 3.0), np.ones((2, 2, 2), bool))
    assert low == 3 and high > low


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4, 5)])
def test_only_a_volume_can_be_cut(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"shows a volume \(I, J, K\), got shape"):
        Upright.of(np.zeros(shape), np.eye(4))
