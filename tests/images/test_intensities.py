"""Unusual intensities, at their limits and in any unit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interpbench.doubts import INTENSITIES
from interpbench.images.foreground import brain_of, foreground, is_head
from interpbench.images.intensities import ALIKE, ENOUGH, SPIKE, odd_intensities
from interpbench.images.typical import KEY, Typical, typical_of

SHAPE = (26, 24, 22)
INSIDE = np.zeros(SHAPE, bool)
INSIDE[1:-1, 1:-1, 1:-1] = True
PLACES = np.stack(np.meshgrid(*(np.arange(edge) for edge in SHAPE), indexing="ij"))
SMOOTH = (100 + 10 * np.cos(PLACES / 4.0).sum(axis=0)).astype(np.float32)


def stripped(values: np.ndarray = SMOOTH, background: float = 0.0) -> np.ndarray:
    return np.where(INSIDE, values, np.float32(background)).astype(np.float32)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, -500.0])
def test_a_smooth_image_of_any_unit_is_usual(unit: float, shift: float) -> None:
    assert odd_intensities(stripped(SMOOTH + shift, shift - 100) * np.float32(unit), INSIDE) == []


@pytest.mark.parametrize(("times", "told"), [(0.9, False), (1.1, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_voxel_is_extreme_where_the_others_take_less_than_a_fiftieth_of_the_range(
    times: float, told: bool, sign: int
) -> None:
    low, high = np.quantile(SMOOTH[INSIDE], (0.005, 0.995))
    values = SMOOTH.copy()
    values[12, 12, 12] = (sign > 0) * low + (sign < 0) * high + sign * times * (high - low) / SPIKE
    doubts = odd_intensities(stripped(values), INSIDE)
    assert [one.kind for one in doubts] == [INTENSITIES] * told
    assert not told or f"up to {values[12, 12, 12]:.3g}; all others lie from 7" in doubts[0]


@pytest.mark.parametrize(("background", "told"), [(0.0, False), (115.0, False), (300.0, True)])
def test_a_background_brighter_than_nearly_all_of_the_brain_is_an_inversion(background: float, told: bool) -> None:
    doubts = odd_intensities(stripped(background=background), INSIDE)
    assert bool(doubts) is told
    assert not told or doubts[0].startswith(f"the background ({background:g}) is brighter than the brain (")


def test_where_the_brain_fills_the_image_there_is_no_background_to_compare() -> None:
    assert odd_intensities(SMOOTH, np.ones(SHAPE, bool)) == []


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_noise_is_told_by_the_correlation_of_neighbours(share: float) -> None:
    noise = np.random.default_rng(0).standard_normal(SHAPE) * SMOOTH[INSIDE].std()
    values = ((1 - share) * (SMOOTH - 100) + share * noise + 100).astype(np.float32)
    neighbours = np.corrcoef(values[1:-2, 1:-1, 1:-1].ravel(), values[2:-1, 1:-1, 1:-1].ravel())[0, 1]
    doubts = odd_intensities(stripped(values), INSIDE)
    assert bool(doubts) is bool(neighbours < ALIKE)
    assert not doubts or f"(correlation {neighbours:.2f}), as in noise" in doubts[0]


def test_in_few_voxels_noise_is_not_looked_for() -> None:
    noise = (100 + np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)
    few = INSIDE & (np.cumsum(INSIDE).reshape(SHAPE) < ENOUGH)
    assert odd_intensities(np.where(few, noise, 0).astype(np.float32), few) == []
    assert odd_intensities(np.where(INSIDE, noise, 0).astype(np.float32), INSIDE) != []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_brain_of_hardly_a_voxel_or_of_one_value_is_no_fault_of_intensities(count: int) -> None:
    inside = np.zeros(SHAPE, bool)
    inside[3, 3, 3 : 3 + count] = True
    assert odd_intensities(stripped(), inside) == []
    assert odd_intensities(np.full(SHAPE, 7, np.float32), INSIDE) == []


# Foreground


@pytest.mark.parametrize("background", [0.0, -3.5, 100.0])
def test_the_foreground_is_what_differs_from_all_eight_corners(background: float) -> None:
    volumes = torch.full((2, 1, 3, 4, 5), background)
    volumes[0, 0, 1, 1:3, 2] = background + 1
    brain = brain_of(volumes)
    assert brain[0].sum() == 2 and brain[0, 1, 1:3, 2].all()
    assert brain[1].all()  # empty: all of it counts


@pytest.mark.parametrize("corner", list(np.ndindex(2, 2, 2)))
def test_one_odd_corner_is_enough_for_all_to_count(corner: tuple[int, int, int]) -> None:
    volumes = torch.zeros(1, 1, 3, 4, 5)
    volumes[0, 0, 1, 1, 1] = 1
    volumes[(0, 0, *(-place for place in corner))] = 2
    assert brain_of(volumes).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 5), (3, 1, 1), (2, 2, 2)])
def test_thin_volumes_have_corners_too(shape: tuple[int, ...]) -> None:
    assert brain_of(torch.zeros(2, 1, *shape)).all()
    assert brain_of(torch.zeros(2, 1, *shape)).shape == (2, *shape)


def test_the_foreground_of_an_image_does_not_depend_on_its_orientation_or_unit() -> None:
    image = stripped()
    inside, even = foreground(image)
    assert even is True
    for change in (lambda one: one[::-1, :, ::-1], lambda one: one.transpose(2, 0, 1)):
        assert np.array_equal(foreground(np.ascontiguousarray(change(image)))[0], change(inside))
    assert np.array_equal(foreground(image * np.float32(1e-5))[0], inside)


def test_without_any_background_all_counts() -> None:
    noise = np.random.default_rng(0).standard_normal((6, 7, 8)).astype(np.float32)
    inside, even = foreground(noise)
    assert inside.all() and even is None


@pytest.mark.parametrize(("litres", "head"), [(0.5, False), (2.2, False), (2.4, True)])
def test_what_is_larger_than_any_brain_is_a_head(litres: float, head: bool) -> None:
    edge = 1000 * (litres / INSIDE.sum()) ** (1 / 3) / 10
    why = is_head(stripped(), INSIDE, np.full(3, edge))
    assert (why is not None) is head
    assert why is None or f"a volume of {litres:.1f} litres" in why


# What training images look like


@pytest.mark.parametrize("unit", [1e-10, 1e-3, 1.0, 1e5, 1e30])
def test_what_is_typical_is_stored_in_any_unit_of_intensity(unit: float) -> None:
    random = np.random.default_rng(0)
    images = [100 + random.standard_normal((1, 4, 5, 3)) + random.standard_normal((1, 4, 5, 1)) for _ in range(20)]
    pairs = [(torch.from_numpy(image * unit), torch.ones(4, 5, 3, dtype=torch.bool)) for image in images]
    found, _ = Typical.of(pairs, "RAS")
    assert found is not None
    back = typical_of({KEY: found.to_json()}, "model.json")
    assert back is not None
    assert back.mean / unit == pytest.approx(found.mean / unit, rel=1e-3)
    assert (back.distance, back.limit) == (found.distance, found.limit)
    assert back.directions == pytest.approx(found.directions, abs=1e-3)


def test_a_record_without_a_scale_is_one_of_an_earlier_version() -> None:
    pairs = [(torch.randn(1, 3, 4, 5), torch.ones(3, 4, 5, dtype=torch.bool)) for _ in range(12)]
    found, _ = Typical.of(pairs, "RAS")
    assert found is not None
    record = found.to_json()
    scale = record.pop("scale")
    assert math.log2(scale).is_integer()
    assert Typical.from_json(record, "x").mean * scale == pytest.approx(found.mean, rel=1e-2, abs=1e-4)
