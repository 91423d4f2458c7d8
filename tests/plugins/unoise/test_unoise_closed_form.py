"""The closed form of the best mask: its optimality, its laws of scale, and a training that must end there."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from interpbench.testing import linear_predictor
from interpbench_unoise.noise import NOISE_FORMS, Noise
from interpbench_unoise.oracle import closed_form_mask

NOISES = [Noise(low, low + span, form) for low, span, form in itertools.product((0.0, 1.0), (1.0, 4.0), NOISE_FORMS)]
NAMES = [f"{noise.form}-{noise.v_min:g}-{noise.v_max:g}" for noise in NOISES]
VOXELS = 24


def some_weights(seed: int = 0, number: int = VOXELS) -> Tensor:
    return 0.5 * torch.randn(number, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slope_of_cost(mask: Tensor, weights: Tensor, noise: Noise, r: float) -> Tensor:
    """The derivative of sum sigma^2 w^2 - (r / N) sum log B by each B."""
    return 2 * noise.sigma(mask) * noise.span * weights.square() - r / weights.numel() / mask


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
@pytest.mark.parametrize("r", [0.1, 3.0, 100.0])
def test_no_voxel_could_do_better(noise: Noise, r: float) -> None:
    """Inside the range the slope is 0; at B = 1, the end of the range, the cost would still fall."""
    weights = some_weights()
    mask = closed_form_mask(weights, noise, r)
    slope = slope_of_cost(mask, weights, noise, r)
    inner = mask < 1
    assert float((slope[inner].abs() / (r / VOXELS / mask[inner])).max() if inner.any() else 0) < 1e-9
    assert bool((slope[~inner] <= 0).all())
    assert bool((mask > 0).all()) and mask.dtype == torch.float64 and mask.shape == weights.shape


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_the_estimator_s_gradient_is_0_there_and_turns_its_sign(noise: Noise, estimate: Callable[..., Tensor]) -> None:
    weights, r, shape = some_weights().float(), 8.0, (2, 3, 4)
    predictor, volume = linear_predictor(weights.reshape(shape)), torch.zeros(1, 1, *shape)
    best = closed_form_mask(weights, noise, r).reshape(1, 1, *shape)
    inner = best < 0.99
    assert int(inner.sum()) > 3

    def gradient(logits: Tensor) -> Tensor:
        given = {"noise": noise, "r": r, "estimator": "recalibrated"}
        epsilon = torch.randn(volume.shape, generator=torch.Generator().manual_seed(1))
        return estimate(predictor, volume, torch.zeros(1), logits.float(), epsilon, **given)[inner]

    logits = torch.logit(best.clamp(max=0.999))
    scale = r / VOXELS
    assert float(gradient(logits).abs().max()) < 1e-4 * scale
    assert bool((gradient(logits + 0.1) > 0).all()) and bool((gradient(logits - 0.1) < 0).all())


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_laws_of_scale(noise: Noise) -> None:
    weights, r = some_weights(), 2.0
    mask = closed_form_mask(weights, noise, r)
    torch.testing.assert_close(closed_form_mask(12 * weights, noise, 144 * r), mask)  # months for years
    louder = Noise(3 * noise.v_min, 3 * noise.v_max, noise.form)
    torch.testing.assert_close(closed_form_mask(weights / 3, louder, r), mask)  # another unit of the image
    torch.testing.assert_close(closed_form_mask(-weights, noise, r), mask)
    order = torch.randperm(VOXELS, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(closed_form_mask(weights[order], noise, r), mask[order])
    torch.testing.assert_close(
        closed_form_mask(weights.repeat(2), noise, 2 * r), mask.repeat(2)
    )  # r / N is what counts


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_a_voxel_that_counts_more_tolerates_less(noise: Noise) -> None:
    weights = torch.linspace(0, 3, 50, dtype=torch.float64)
    mask = closed_form_mask(weights, noise, r=4.0)
    assert mask[0] == 1.0 and bool((mask.diff() <= 0).all())
    assert bool((mask[1:].diff()[mask[2:] < 1] < 0).all()) and float(mask[-1]) < 1


@pytest.mark.parametrize("r", [0.01, 0.4])
def test_r_is_twice_the_error_that_all_noise_together_costs(r: float) -> None:
    """With v_min = 0 and no voxel at its bound every voxel's noise costs r / 2N, whatever its weight."""
    weights, noise = some_weights() + 2.0, Noise(0.0, 1.0)
    mask = closed_form_mask(weights, noise, r)
    assert bool((mask < 1).all())
    costs = (noise.sigma(mask) * weights).square()
    torch.testing.assert_close(costs, torch.full_like(costs, r / (2 * VOXELS)))
    assert float(costs.sum()) == pytest.approx(r / 2)


def test_without_a_floor_it_is_the_square_root_of_the_budget_over_the_weight() -> None:
    weights, r = some_weights(2), 1.0
    expected = (r / (2 * VOXELS)) ** 0.5 / (2.0 * weights.abs())
    torch.testing.assert_close(closed_form_mask(weights, Noise(0.0, 2.0), r), expected.clamp(max=1))


def test_the_printed_form_knows_no_floor() -> None:
    weights = some_weights(3)
    printed = closed_form_mask(weights, Noise(2.0, 3.0, "equation1"), 1.0)
    torch.testing.assert_close(printed, closed_form_mask(weights, Noise(0.0, 1.0), 1.0))
    assert bool((closed_form_mask(weights, Noise(2.0, 3.0), 1.0) <= printed).all())


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_a_descent_along_the_recalibrated_gradient_ends_within_a_hundredth(
    noise: Noise, estimate: Callable[..., Tensor]
) -> None:
    """For a straight predictor that gradient is exact in every draw, so 300 steps of one subject are enough."""
    weights, r, shape = some_weights(5).float(), 6.0, (2, 3, 4)
    predictor, volume = linear_predictor(weights.reshape(shape)), torch.zeros(1, 1, *shape)
    epsilon = torch.randn(volume.shape, generator=torch.Generator().manual_seed(1))
    logits = torch.zeros(1, 1, *shape, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.1)
    for _ in range(300):
        given = {"noise": noise, "r": r, "estimator": "recalibrated"}
        logits.grad = estimate(predictor, volume, torch.zeros(1), logits, epsilon, **given)
        optimiser.step()
    expected = closed_form_mask(weights, noise, r)
    found = torch.sigmoid(logits.detach()).flatten().double()
    inner = expected < 0.9
    assert int(inner.sum()) > 3
    torch.testing.assert_close(found[inner], expected[inner], rtol=0.01, atol=0.01)
    assert float(found[expected == 1].min()) > 0.9
