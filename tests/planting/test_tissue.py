"""The intensities that a change is measured by: background, level and fluid, in any orientation and any unit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interpbench.errors import InputError
from interpbench.planting.tissue import DEEP, fluid_in, level_of, tissue_of

SHAPE = (15, 13, 17)  # of voxels of 4 mm, so that every voxel is looked at
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def made_up(dark: float = 100.0, tissue: float = 500.0) -> tuple[np.ndarray, np.ndarray]:
    """A box of tissue, dark deep inside, and its brain."""
    brain = np.zeros(SHAPE, dtype=bool)
    brain[1:-1, 1:-1, 1:-1] = True
    values = np.where(brain, tissue, 0.0).astype(np.float32)
    values[6:9, 5:8, 7:10] = dark
    return values, brain


def test_the_level_is_the_median_above_the_background() -> None:
    assert level_of(np.array([1.0, 7.0, 3.0]), 0.5) == 2.5
    assert level_of(np.array([4.0]), 4.0) == 0.0
    assert level_of(np.array([1.0, 3.0], dtype=np.float32), -2.0) == 4.0


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_the_background_is_a_low_quantile_of_what_is_no_brain(share: float) -> None:
    values, brain = made_up()
    outside = np.flatnonzero(~brain)
    dark = outside[: int(share * len(outside))]
    values[~brain] = 50.0
    values.ravel()[dark] = 10.0
    assert tissue_of(values, brain, AFFINE).background == (10.0 if share > 0.1 else 50.0)


def test_an_image_of_brain_alone_has_a_background_of_0() -> None:
    values = np.full(SHAPE, 300.0, dtype=np.float32)
    found = tissue_of(values, np.ones(SHAPE, dtype=bool), AFFINE)
    assert (found.background, found.level, found.fluid) == (0.0, 300.0, 300.0)


@pytest.mark.parametrize("inside", [0.0, -3.0, np.nan, -np.inf])
def test_a_brain_no_brighter_than_what_is_around_is_refused(inside: float) -> None:
    _, brain = made_up()
    with pytest.raises(InputError, match=r"not above the background \(0\)"):
        tissue_of(np.where(brain, inside, 0.0).astype(np.float32), brain, AFFINE)


def test_fluid_is_the_darkest_of_what_is_deep_and_not_of_the_rim() -> None:
    values, brain = made_up()
    values[1, 1:-1, 1:-1] = 3.0  # half air
    assert fluid_in(values, brain, AFFINE) == 100.0


def test_where_too_little_is_deep_fluid_is_the_darkest_of_the_whole_brain() -> None:
    values, brain = made_up()
    values[1, 1:-1, 1:-1] = 3.0
    thin = brain.copy()
    thin[7:] = False  # 24 mm: no voxel is deeper than 12
    assert DEEP >= 6 * 4 / 2
    assert fluid_in(values, thin, AFFINE) == 3.0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("axes", [(), (0,), (1, 2), (0, 1, 2)])
def test_no_orientation_of_the_file_changes_an_intensity(order: tuple[int, int, int], axes: tuple[int, ...]) -> None:
    values, brain = made_up()
    values += np.random.default_rng(0).normal(0, 20, SHAPE).astype(np.float32)
    affine = np.diag([4.0, 4.1, 3.9, 1.0])
    other = affine.copy()
    other[:, list(axes)] *= -1
    other[:, :3] = other[:, list(order)]
    one = tissue_of(values, brain, affine)
    two = tissue_of(np.flip(values, axes).transpose(order), np.flip(brain, axes).transpose(order), other)
    assert (two.background, two.level, two.fluid) == pytest.approx((one.background, one.level, one.fluid), rel=1e-6)


@pytest.mark.parametrize("factor", [0.001, 1.0, 4000.0])
def test_all_intensities_scale_with_the_image(factor: float) -> None:
    values, brain = made_up()
    values[~brain] = 20.0
    one, two = tissue_of(values, brain, AFFINE), tissue_of(values * np.float32(factor), brain, AFFINE)
    expected = [factor * figure for figure in (one.background, one.level, one.fluid)]
    assert [two.background, two.level, two.fluid] == pytest.approx(expected, rel=1e-5)


def test_a_brain_at_the_edge_of_its_image_is_not_deep_there() -> None:
    values = np.full(SHAPE, 500.0, dtype=np.float32)
    values[0], values[7, 6, 8] = 1.0, 100.0
    deep = np.zeros(SHAPE, dtype=bool)
    deep[3:-3, 3:-3, 3:-3] = True  # the border is 4 voxels away, beyond the first layer
    found = fluid_in(values, np.ones(SHAPE, dtype=bool), AFFINE)
    assert found == pytest.approx(np.quantile(values[deep], 0.01))
