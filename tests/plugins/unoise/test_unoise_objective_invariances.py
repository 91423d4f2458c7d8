"""What the objective's gradient must not depend on, and how it must follow a change of unit, place or weight."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench.testing import ToyPredictor, linear_predictor
from interpbench_unoise.noise import Noise
from interpbench_unoise.objective import ESTIMATORS, penalty_of

SHAPE = (3, 4, 2)


class Given:
    """What a gradient is asked of: four subjects, weights of a straight predictor, noise."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(11)
        self.weights = torch.randn(SHAPE, generator=draw)
        self.volumes, self.logits, self.epsilon = (torch.randn(4, 1, *SHAPE, generator=draw) for _ in range(3))
        self.targets = 60 + 5 * torch.randn(4, generator=draw)
        self.changes: dict[str, Any] = {"noise": Noise(0.3, 1.4), "r": 0.8, "slope": 1.3}
        self.bias = 60.0

    def at(self, estimate: Callable[..., Tensor], estimator: str, **changes: Any) -> Tensor:
        predictor = linear_predictor(self.weights, self.bias)
        given = {**self.changes, "estimator": estimator, **changes}
        return estimate(predictor, self.volumes, self.targets, self.logits, self.epsilon, **given)


@pytest.fixture(params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def given() -> Given:
    return Given()


@pytest.mark.parametrize("scale", [12.0, 1 / 365.25])
def test_in_another_unit_of_the_target_r_goes_with_its_square(
    given: Given, estimate: Callable[..., Tensor], estimator: str, scale: float
) -> None:
    """Months or days for years: the same masks are best, and the gradient is that many squares larger."""
    before = given.at(estimate, estimator)
    given.weights, given.bias = given.weights * scale, given.bias * scale
    given.targets = given.targets * scale
    after = given.at(estimate, estimator, r=0.8 * scale**2)
    torch.testing.assert_close(after / scale**2, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


@pytest.mark.parametrize("scale", [4.0, 0.25])
def test_in_another_unit_of_the_image_the_noise_goes_with_it(
    given: Given, estimate: Callable[..., Tensor], estimator: str, scale: float
) -> None:
    before = given.at(estimate, estimator)
    given.volumes, given.weights = given.volumes * scale, given.weights / scale
    after = given.at(estimate, estimator, noise=Noise(0.3 * scale, 1.4 * scale))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))


def test_other_subjects_change_nothing(given: Given, estimate: Callable[..., Tensor], estimator: str) -> None:
    whole = given.at(estimate, estimator)
    order = torch.tensor([2, 0, 3])
    for name in ("volumes", "logits", "epsilon", "targets"):
        setattr(given, name, getattr(given, name)[order])
    torch.testing.assert_close(given.at(estimate, estimator), whole[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [axes for number in (1, 2, 3) for axes in itertools.combinations((2, 3, 4), number)])
def test_flipped_brains_and_a_flipped_predictor_give_the_flipped_gradient(
    given: Given, estimate: Callable[..., Tensor], estimator: str, axes: tuple[int, ...]
) -> None:
    before = given.at(estimate, estimator)
    for name in ("volumes", "logits", "epsilon"):
        setattr(given, name, getattr(given, name).flip(axes))
    given.weights = given.weights.flip([axis - 2 for axis in axes])
    torch.testing.assert_close(given.at(estimate, estimator), before.flip(axes), rtol=1e-4, atol=1e-4)


def test_a_shift_of_all_ages_changes_nothing(given: Given, estimate: Callable[..., Tensor], estimator: str) -> None:
    before = given.at(estimate, estimator)
    given.bias, given.targets = given.bias - 30, given.targets - 30
    torch.testing.assert_close(given.at(estimate, estimator), before, rtol=1e-3, atol=1e-3)


def test_the_gradient_is_a_straight_line_in_r(given: Given, estimate: Callable[..., Tensor], estimator: str) -> None:
    low, middle, high = (given.at(estimate, estimator, r=r) for r in (1.0, 2.0, 4.0))
    torch.testing.assert_close(high - middle, 2 * (middle - low), rtol=1e-3, atol=1e-4)
    mask = torch.sigmoid(given.logits)
    torch.testing.assert_close(middle - low, -(1 - mask) / mask[0].numel(), rtol=1e-2, atol=1e-4)


def test_the_printed_form_is_the_scaled_one_without_a_floor_on_a_brighter_volume(
    given: Given, estimate: Callable[..., Tensor], estimator: str
) -> None:
    printed = given.at(estimate, estimator, noise=Noise(0.3, 1.4, "equation1"))
    given.volumes = given.volumes + 0.3
    scaled = given.at(estimate, estimator, noise=Noise(0.0, 1.1))
    torch.testing.assert_close(printed, scaled, rtol=1e-4, atol=1e-4)


def test_the_sign_of_the_noise_matters_to_the_paper_s_estimator_alone(
    given: Given, estimate: Callable[..., Tensor]
) -> None:
    before = {name: given.at(estimate, name) for name in ESTIMATORS}
    given.epsilon = -given.epsilon
    for name in ("antithetic", "recalibrated"):
        torch.testing.assert_close(given.at(estimate, name), before[name], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(given.at(estimate, "paper"), before["paper"], rtol=0.1)


def test_the_target_and_a_slope_matter_to_those_that_name_them(given: Given, estimate: Callable[..., Tensor]) -> None:
    before = {name: given.at(estimate, name) for name in ESTIMATORS}
    given.targets = given.targets + 10
    moved = {name: not torch.allclose(given.at(estimate, name), before[name], rtol=1e-3) for name in ESTIMATORS}
    # of a straight predictor the bias part does not depend on sigma, so only the paper's estimator sees the target
    assert moved == {"recalibrated": False, "antithetic": False, "paper": True}
    steeper = {name: given.at(estimate, name, slope=2.6) for name in ESTIMATORS}
    given.targets = given.targets - 10
    assert torch.allclose(steeper["antithetic"], before["antithetic"], rtol=1e-3, atol=1e-4)
    penalty = given.at(estimate, "recalibrated", slope=0.0)
    torch.testing.assert_close(steeper["recalibrated"] - penalty, 4 * (before["recalibrated"] - penalty))


def test_voxels_outside_neither_get_noise_nor_a_gradient_nor_count(
    given: Given, estimate: Callable[..., Tensor], estimator: str
) -> None:
    where = torch.zeros_like(given.volumes)
    where[..., 1:3, :] = 1
    before = given.at(estimate, estimator, where=where)
    assert not before[where == 0].any() and bool(before[where == 1].all())
    given.logits = torch.where(where == 1, given.logits, given.logits + 7)
    given.epsilon = torch.where(where == 1, given.epsilon, 100.0)
    torch.testing.assert_close(given.at(estimate, estimator, where=where), before)


def test_a_shift_stays_where_the_noise_is(given: Given, estimate: Callable[..., Tensor]) -> None:
    """With nothing outside, a predictor that does not read there answers the same."""
    where, printed = torch.zeros_like(given.volumes), Noise(0.3, 1.4, "equation1")
    where[..., 1:3, :] = 1
    given.volumes = given.volumes * where
    before = given.at(estimate, "paper", where=where, noise=printed)
    given.weights = given.weights * where[0, 0]
    torch.testing.assert_close(given.at(estimate, "paper", where=where, noise=printed), before)


def test_the_penalty_is_a_mean_whatever_the_number_of_voxels(given: Given) -> None:
    everywhere = torch.ones_like(given.logits)
    once = penalty_of(given.logits, everywhere)
    twice = penalty_of(given.logits.repeat(1, 1, 2, 1, 1), everywhere.repeat(1, 1, 2, 1, 1))
    torch.testing.assert_close(once, twice)
    halves = [torch.zeros_like(everywhere) for _ in range(2)]
    halves[0][:, :, :1], halves[1][:, :, 1:] = 1, 1
    weighted = (penalty_of(given.logits, halves[0]) + 2 * penalty_of(given.logits, halves[1])) / 3
    torch.testing.assert_close(weighted, once)


def test_asking_leaves_no_trace(reader: ToyPredictor, people: list, estimate: Callable[..., Tensor]) -> None:
    volumes = torch.stack([one.volume for one in people[:2]])
    targets, logits = torch.tensor([50.0, 60.0]), torch.zeros_like(volumes)
    epsilon = torch.randn(volumes.shape, generator=torch.Generator().manual_seed(0))
    before = [one.clone() for one in (volumes, logits, epsilon, targets)]
    learned = {name: values.clone() for name, values in reader.module.state_dict().items()}
    for estimator in ESTIMATORS:
        estimate(reader, volumes, targets, logits, epsilon, estimator=estimator)
    for was, is_now in zip(before, (volumes, logits, epsilon, targets), strict=True):
        assert torch.equal(was, is_now) and is_now.grad is None and not is_now.requires_grad
    assert all(torch.equal(values, learned[name]) for name, values in reader.module.state_dict().items())
    assert all(weights.grad is None for weights in reader.module.parameters())


def test_more_noise_is_asked_of_what_does_not_count_and_less_of_what_does(
    given: Given, estimate: Callable[..., Tensor]
) -> None:
    given.weights = torch.zeros(SHAPE)
    given.weights[0, 0, 0] = 10.0
    found = given.at(estimate, "recalibrated")
    assert bool((found[:, 0, 0, 0, 0] > 0).all())  # down, in a descent
    assert int((found < 0).sum()) == found.numel() - len(found)
