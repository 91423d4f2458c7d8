"""The mean of each estimator over many draws of noise is the derivative that can be worked out on paper.

For f(x) = c + sum a_i x_i + q_i x_i^2 and white noise of standard deviation sigma, with g = a + 2 q x,

    E f = f(x) + sum q_i sigma_i^2,    Var f = sum g_i^2 sigma_i^2 + 2 q_i^2 sigma_i^4,

so that both parts of E (f - y)^2 = (E f - y)^2 + Var f have a closed derivative by every sigma_i.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from interpbench.testing import ToyPredictor
from interpbench_unoise.noise import NOISE_FORMS, Noise

SHAPE = (2, 3, 2)
VOXELS = 12
DRAWS = 20_000
ERRORS = 5.0  # standard errors that a mean may lie off: once in a million by chance
R, GAP = 0.7, 1.5  # the penalty's weight; how far the target lies above the clean prediction


class Quadratic(nn.Module):
    """f(x) = 60 + sum a x + q x^2."""

    def __init__(self, a: Tensor, q: Tensor) -> None:
        super().__init__()
        self.a, self.q = nn.Parameter(a), nn.Parameter(q)

    def forward(self, volumes: Tensor) -> Tensor:
        x = volumes.flatten(1)
        return 60 + x @ self.a + x.square() @ self.q


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Case:
    """One volume, one mask, and what theory says of them; everything per voxel, float64."""

    def __init__(self, noise: Noise, bend: float) -> None:
        self.noise, self.a, self.q = noise, drawn(0, VOXELS), bend * drawn(1, VOXELS)
        self.predictor = ToyPredictor(Quadratic(self.a, self.q), SHAPE)
        self.volume, self.logits = drawn(2, 1, 1, *SHAPE), drawn(3, 1, 1, *SHAPE)
        self.target = float(self.predictor.predict(self.volume)) + GAP
        self.mask = torch.sigmoid(self.logits.double()).flatten()
        self.sigma = noise.sigma(self.mask)
        moved = self.volume.double().flatten() + noise.shift
        a, q = self.a.double(), self.q.double()
        self.steep = a + 2 * q * moved
        self.mean = 60 + float((a * moved + q * moved.square() + q * self.sigma.square()).sum())
        self.by_bias = 2 * (self.mean - self.target) * 2 * q * self.sigma
        self.by_variance = 2 * self.sigma * (self.steep.square() + 4 * q.square() * self.sigma.square())

    def by_logit(self, by_sigma: Tensor) -> Tensor:
        """Through sigma(B), B(logit), and with the penalty's part."""
        return by_sigma * self.noise.span * self.mask * (1 - self.mask) - R / VOXELS * (1 - self.mask)

    def sampled(self, estimate: Callable[..., Tensor], estimator: str, **changes: float) -> Tensor:
        """The estimator's gradient in each of many draws, `(DRAWS, VOXELS)`."""
        settings = {"noise": self.noise, "r": R, "estimator": estimator, **changes}
        volumes, targets = self.volume.expand(DRAWS, 1, *SHAPE), torch.full((DRAWS,), self.target)
        found = estimate(self.predictor, volumes, targets, self.logits, drawn(4, DRAWS, 1, *SHAPE), **settings)
        return found.flatten(1).double()


def check_mean(sampled: Tensor, expected: Tensor) -> None:
    """Voxel by voxel within so many standard errors; rounding of float32 is allowed for where nothing varies."""
    error = sampled.std(0) / math.sqrt(len(sampled)) + 1e-5 * expected.abs().max()
    off = (sampled.mean(0) - expected).abs() / error
    assert float(off.max()) < ERRORS


CASES = list(itertools.product(NOISE_FORMS, (0.0, 0.6), (0.0, 0.3)))
IDS = [f"{form}-{low:g}-{'bent' if bend else 'straight'}" for form, low, bend in CASES]


@pytest.fixture(params=CASES, ids=IDS)
def case(request: pytest.FixtureRequest) -> Case:
    form, low, bend = request.param
    return Case(Noise(low, low + 0.8, form), bend)


@pytest.mark.parametrize("estimator", ["paper", "antithetic"])
def test_these_two_estimate_the_derivative_of_the_expected_squared_error(
    case: Case, estimate: Callable[..., Tensor], estimator: str
) -> None:
    check_mean(case.sampled(estimate, estimator), case.by_logit(case.by_bias + case.by_variance))


@pytest.mark.parametrize("slope", [1.0, 0.4, 2.5])
def test_the_recalibrated_one_estimates_the_derivative_of_the_variance_alone(
    case: Case, estimate: Callable[..., Tensor], slope: float
) -> None:
    check_mean(case.sampled(estimate, "recalibrated", slope=slope), case.by_logit(slope**2 * case.by_variance))


def test_the_closed_form_of_mean_and_variance_is_that_of_the_sampled_predictions(case: Case) -> None:
    noise = (case.noise.shift + case.sigma * drawn(5, DRAWS, VOXELS)).float().reshape(DRAWS, 1, *SHAPE)
    found = case.predictor.predict(case.volume + noise).detach().double()
    variance = float((case.sigma.square() * (case.steep.square() + 2 * (case.q * case.sigma).square())).sum())
    assert float(found.mean()) == pytest.approx(case.mean, abs=ERRORS * math.sqrt(variance / DRAWS))
    squares = (found - found.mean()).square()
    assert float(squares.mean()) == pytest.approx(variance, abs=ERRORS * float(squares.std()) / math.sqrt(DRAWS))


def straight() -> Case:
    return Case(Noise(0.2, 1.0), 0.0)


def test_for_a_straight_predictor_every_draw_of_the_recalibrated_one_is_the_expectation(
    estimate: Callable[..., Tensor],
) -> None:
    case = straight()
    sampled = case.sampled(estimate, "recalibrated")
    torch.testing.assert_close(sampled, case.by_logit(case.by_variance).expand_as(sampled), rtol=1e-4, atol=1e-5)


def test_antithetic_noise_of_a_straight_predictor_does_not_suffer_from_a_wrong_target(
    estimate: Callable[..., Tensor],
) -> None:
    """The paper's estimator does: the error of the target multiplies every voxel's noise."""
    spreads = {}
    for estimator in ("paper", "antithetic"):
        case = straight()
        near = case.sampled(estimate, estimator)
        case.target += 40
        spreads[estimator] = float(case.sampled(estimate, estimator).std() / near.std())
    assert spreads["antithetic"] == pytest.approx(1.0, rel=1e-3)
    assert spreads["paper"] > 5


def test_cross_terms_between_voxels_are_what_makes_the_paper_s_estimator_vary(estimate: Callable[..., Tensor]) -> None:
    """For a straight predictor its variance by sigma_i is worked out too, and grows with all other voxels' noise."""
    case = straight()
    case.target -= GAP  # the clean prediction: f - y = sum w sigma epsilon
    sampled = case.sampled(estimate, "paper")
    inner = case.noise.span * case.mask * (1 - case.mask)
    each = (case.a.double() * case.sigma).square()
    # by sigma_i: 2 w_i epsilon_i (w_i sigma_i epsilon_i + the rest), of variance 4 w_i^2 (2 each_i + sum of the others)
    variance = 4 * case.a.double().square() * (2 * each + (each.sum() - each)) * inner.square()
    squares = (sampled - sampled.mean(0)).square()
    off = (squares.mean(0) - variance).abs() / (squares.std(0) / math.sqrt(DRAWS))
    assert float(off.max()) < ERRORS


def test_a_mean_that_noise_moves_is_paid_for_by_all_but_the_recalibrated_one(estimate: Callable[..., Tensor]) -> None:
    case = Case(Noise(0.0, 0.8), 0.3)
    expected = case.by_logit(case.by_variance)
    error = case.sampled(estimate, "paper").std(0) / math.sqrt(DRAWS)
    for estimator in ("paper", "antithetic"):
        off = (case.sampled(estimate, estimator).mean(0) - expected).abs() / error
        assert float(off.max()) > 2 * ERRORS
