"""What each kind of signal does to one person's image, in any orientation and with any voxels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import erf

from interpbench.errors import InputError, UsageError
from interpbench.planting.asked import KINDS
from interpbench.planting.atrophy import MovedRegion
from interpbench.planting.contrast import Contrast
from interpbench.planting.geometry import distances_in, gradient_of, smoothed
from interpbench.planting.kind import NOTICEABLE, Effect
from interpbench.planting.lesion import RIM, Blob, Lesion
from interpbench.planting.person import difference, planted
from interpbench.planting.tissue import Tissue

BOUND = 2.5
WAYS = {
    "contrast": ("contrast", {}),
    "atrophy": ("atrophy", {}),
    "atrophy filled by fluid": ("atrophy", {"filled_by": "fluid"}),
    "lesion": ("lesion", {"largest": 8.0}),
}


def effect_of(way: str, tissue: Tissue, region: np.ndarray, seed: int = 1) -> Effect:
    name, options = WAYS[way]
    return KINDS[name](**options).on(tissue, region, np.random.default_rng(seed), BOUND)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("amount", [-2.4, -0.3, 0.01, 1.7])
def test_the_image_differs_exactly_in_the_truth(way: str, amount: float, tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of(way, tissue, ball)
    strength = 0.7 * effect.most
    made = planted(tissue, effect, (), [strength], [amount])
    assert np.array_equal(made.values != tissue.values, made.truth)
    assert made.truth.sum() >= 8 and not (made.truth & ~tissue.brain).any() and not made.others.any()
    may = np.zeros_like(made.truth)
    may[effect.window] = effect.noticeable(strength)
    assert not (made.truth & ~may).any()
    graded = difference(tissue, effect, strength, amount)
    assert not (graded[~may]).any() and (graded[made.truth] > 0).mean() > 0.5


def test_the_truth_grows_with_what_fluid_has_to_fill(tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of("atrophy filled by fluid", tissue, ball)
    truths = [planted(tissue, effect, (), [effect.most], [amount]).truth for amount in (-2.3, -1.0, 0.4, 2.4)]
    for smaller, larger in itertools.pairwise(truths):
        assert not (smaller & ~larger).sum() > 0.01 * larger.sum()


@pytest.mark.parametrize("way", ["contrast", "atrophy"])
def test_the_truth_does_not_depend_on_the_amount(way: str, tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of(way, tissue, ball)
    truths = [planted(tissue, effect, (), [effect.most], [amount]).truth for amount in (-2.3, -1.0, 0.4, 2.4)]
    most = max(int(one.sum()) for one in truths)
    assert all((one != truths[-1]).sum() <= 0.02 * most for one in truths)


@pytest.mark.parametrize("way", WAYS)
def test_where_the_largest_change_is_small_nothing_changes(way: str, tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of(way, tissue, ball)
    before = tissue.values[effect.window]
    changes = [np.abs(effect.values(amount, effect.most) - before) for amount in (-BOUND, BOUND)]
    largest = np.maximum(*changes)
    may = effect.noticeable(effect.most)
    assert (largest[may] > NOTICEABLE * tissue.level).all()
    assert (largest[~may & tissue.brain[effect.window]] <= NOTICEABLE * tissue.level).all()


def test_contrast_scales_exactly(tissue: Tissue, ball: np.ndarray) -> None:
    made = planted(tissue, effect_of("contrast", tissue, ball), (), [0.1], [1.5])
    assert made.truth.sum() == ball.sum()
    np.testing.assert_allclose(made.values[ball], tissue.values[ball] * 1.15, rtol=1e-6)


def test_contrast_leaves_tissue_above_the_background(tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of("contrast", tissue, ball)
    darkest = effect.values(-BOUND, effect.most)[ball[effect.window]]
    np.testing.assert_allclose(darkest, 0.1 * tissue.values[ball], rtol=1e-4)


def test_a_background_that_is_not_0_counts_as_none(plain: Tissue) -> None:
    raised = Tissue(plain.values + 1000, plain.brain, plain.affine, 1000.0, plain.fluid + 1000)
    region = plain.brain & (np.indices(plain.brain.shape)[0] > 15)
    one, other = (
        planted(some, Contrast().on(some, region, np.random.default_rng(0), BOUND), (), [0.1], [1.0])
        for some in (plain, raised)
    )
    np.testing.assert_allclose(other.values[region] - 1000, one.values[region], atol=1e-3)


def slope_of_a_ball(r: np.ndarray, radius: float, sd: float) -> np.ndarray:
    """-dg/dr of the indicator of a ball, smoothed by a Gaussian."""
    step = 1e-4

    def g(r: np.ndarray) -> np.ndarray:
        root = sd * math.sqrt(2)
        tails = np.exp(-(((radius - r) / root) ** 2)) - np.exp(-(((radius + r) / root) ** 2))
        return (erf((radius - r) / root) + erf((radius + r) / root)) / 2 - sd / (r * math.sqrt(2 * math.pi)) * tails

    return (g(r - step) - g(r + step)) / (2 * step)


@pytest.mark.parametrize("share", [-1.0, -0.4, 0.4, 1.0])
def test_a_ball_that_shrinks_has_the_volume_that_its_displacement_says(
    share: float, make_head: Callable[..., Tissue]
) -> None:
    tissue = make_head(np.diag([1.0, 1.0, 1.0, 1.0]), radius=14.0)
    window = tuple(slice(0, edge) for edge in tissue.brain.shape)
    radius, sd = 6.0, 2.5
    region = distances_in(window, tissue.affine, np.zeros(3)) < radius
    effect = MovedRegion(tissue, region, BOUND, sd, fluid=False)
    moved = effect.inwards(share * BOUND, effect.most)
    radii = np.linspace(0.5, 12, 20001)
    slope = slope_of_a_ball(radii, radius, sd)
    # A surface point of the moved ball is where the flow comes from: dr/dt = -slope, for as long as it moved.
    along = solve_ivp(
        lambda _, r: -np.sign(moved) * np.interp(r, radii, slope / slope.max()), (0, abs(moved)), [radius]
    )
    expected = float(along.y[0, -1] / radius) ** 3
    assert effect.volume(share * BOUND, effect.most) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("way", ["atrophy", "atrophy filled by fluid"])
def test_the_strongest_effect_leaves_a_region_between_its_smallest_and_largest_volume(
    way: str, tissue: Tissue, ball: np.ndarray
) -> None:
    effect = effect_of(way, tissue, ball)
    assert isinstance(effect, MovedRegion)
    smallest, largest = (effect.volume(amount, effect.most) for amount in (BOUND, -BOUND))
    assert 0.28 <= smallest < 0.6 and largest <= 2.55
    assert smallest < 0.32 or largest > 2.45 or effect.most * effect.furthest == pytest.approx(4 * 2.5, rel=0.2)


def test_a_displacement_of_half_the_time_twice_is_the_whole_one(tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of("atrophy", tissue, ball)
    assert isinstance(effect, MovedRegion)
    whole, half = effect._places(1.0, 1.0), effect._places(0.5, 1.0)
    *_, (_, twice) = _flow_from(effect, half, 0.5)
    assert np.abs(whole - twice).max() < 0.03  # voxels


def _flow_from(effect: MovedRegion, places: np.ndarray, distance: float) -> Any:
    effect._from = places
    return effect._flow(distance)


def test_smoothing_and_gradient_are_those_of_the_world(tissue: Tissue) -> None:
    window = tuple(slice(0, edge) for edge in tissue.brain.shape)
    distance = distances_in(window, tissue.affine, np.zeros(3))
    blurred = smoothed(np.exp(-((distance / 4) ** 2) / 2), tissue.affine, 3.0)
    exact = (16 / 25) ** 1.5 * np.exp(-((distance / 5) ** 2) / 2)
    near = distance < 8  # further out, what lies beyond the image is missing
    np.testing.assert_allclose(blurred[near], exact[near], atol=2e-3)
    ramp = (tissue.affine[:3, :3] @ np.indices(tissue.brain.shape).reshape(3, -1)).reshape(3, *tissue.brain.shape)
    found = gradient_of((2 * ramp[0] - ramp[2]).astype(np.float32), tissue.affine)
    np.testing.assert_allclose(found[:, 5, 5, 5], [2, 0, -1], atol=1e-4)


@pytest.mark.parametrize("way", ["atrophy", "atrophy filled by fluid"])
def test_the_jacobian_determinant_stays_positive(way: str, tissue: Tissue, ball: np.ndarray) -> None:
    effect = effect_of(way, tissue, ball)
    assert isinstance(effect, MovedRegion)
    for amount in (-BOUND, BOUND):
        assert effect.jacobian(amount, effect.most) > 0
        places = np.indices(effect.region.shape).astype(np.float32)
        places[:, effect.moving] = effect._places(amount, effect.most)
        world = np.tensordot(tissue.affine[:3, :3].astype(np.float32), places, axes=1)
        derivative = np.stack([gradient_of(part, tissue.affine) for part in world])
        determinant = np.linalg.det(np.moveaxis(derivative.reshape(3, 3, -1), 2, 0))
        assert determinant.min() > 0


def test_fluid_fills_what_a_shrinking_region_leaves_and_nothing_else(plain: Tissue) -> None:
    window = tuple(slice(0, edge) for edge in plain.brain.shape)
    region = distances_in(window, plain.affine, np.array([9.0, 0, 0])) < 7
    flat = Tissue(np.where(plain.brain, 500, 0).astype(np.float32), plain.brain, plain.affine, 0.0, 100.0)
    effect = MovedRegion(flat, region, BOUND, 2.5, fluid=True)
    taken = []
    for amount in (-BOUND, 0.0, BOUND):
        values = effect.values(amount, effect.most)
        inside = values[flat.brain[effect.window]]
        assert inside.max() <= 500 and inside.min() >= 99.9
        taken.append(float((500 - inside).sum() / 400 / region.sum()))
    vacated = [1 - effect.volume(amount, effect.most) for amount in (-BOUND, 0.0, BOUND)]
    np.testing.assert_allclose(taken, vacated, atol=0.06)  # the surface runs through voxels
    assert taken[0] == 0 and taken[0] < taken[1] < taken[2]


def test_a_lesion_grows_with_the_amount_and_is_somebodys_own(tissue: Tissue) -> None:
    effects = [effect_of("lesion", tissue, tissue.brain, seed) for seed in range(3)]
    assert len({tuple(one.centre) for one in effects}) == 3  # type: ignore[attr-defined]
    for effect in effects:
        assert isinstance(effect, Blob)
        sizes = [planted(tissue, effect, (), [effect.most], [y]).truth.sum() for y in (-2.5, -1, 0, 1, 2.5)]
        assert sizes == sorted(sizes) and sizes[0] >= 8 and sizes[-1] > 2 * sizes[0]
        window = tuple(slice(0, edge) for edge in tissue.brain.shape)
        assert tissue.brain[distances_in(window, tissue.affine, effect.centre) < RIM - 2].all()
        assert effect.radius(BOUND, effect.most) == pytest.approx(8.0)


def test_a_lesion_that_is_a_distractor_lies_apart_from_the_truth(plain: Tissue) -> None:
    truth = np.zeros_like(plain.brain)
    truth[13:17, 10:14, 9:13] = True
    for seed in range(5):
        other = Lesion(largest=5.0).on(plain, plain.brain, np.random.default_rng(seed), BOUND, truth)
        made = planted(plain, other, (), [other.most], [BOUND])
        assert not (made.truth & truth).any()


def test_kinds_refuse_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="must not be 0"):
        Lesion(contrast=0.0)
    with pytest.raises(UsageError, match="above smallest"):
        Lesion(largest=2.0)
    with pytest.raises(UsageError, match="must be one of"):
        KINDS["atrophy"](filled_by="air")


def test_a_lesion_without_a_place_is_refused(plain: Tissue) -> None:
    shell = plain.brain & ~np.roll(plain.brain, 1, axis=0)
    with pytest.raises(InputError, match="no place for a lesion"):
        Lesion(largest=8.0).on(plain, shell, np.random.default_rng(0), BOUND)
