"""Each estimator's gradient against finite differences, in float64, of what it says it differentiates."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from interpbench.testing import ToyPredictor, toy_brains
from interpbench_unoise.noise import NOISE_FORMS, Noise
from interpbench_unoise.objective import ESTIMATORS, objective, penalty_of, response

STEP = 1e-6  # of a central difference, in float64
R, SLOPE = 3.0, 1.7


class Setting:
    """Two subjects, the toy predictor in float64, noise and a mask."""

    def __init__(self, reader: ToyPredictor, form: str) -> None:
        shape = reader.recipe.shape
        draw = torch.Generator().manual_seed(8)
        self.predictor, self.noise = reader, Noise(0.3, 1.1, form)
        self.exact: nn.Module = copy.deepcopy(reader.module).double()
        self.volumes = toy_brains(2, shape, seed=4)
        self.where = (self.volumes != 0).float()
        self.targets = torch.tensor([48.0, 71.0])
        self.logits, self.epsilon = (torch.randn(2, 1, *shape, generator=draw) for _ in range(2))

    def noisy(self, logits: Tensor, sign: float = 1.0) -> Tensor:
        sigma = self.noise.sigma(torch.sigmoid(logits))
        return self.volumes.double() + self.where.double() * (self.noise.shift + sign * sigma * self.epsilon.double())

    def predicted(self, volumes: Tensor) -> Tensor:
        return self.exact(volumes).reshape(-1)

    def steep(self) -> Tensor:
        """w at the noisy volume, which the recalibrated estimator holds constant."""
        volumes = self.noisy(self.logits.double()).requires_grad_(True)
        return torch.autograd.grad(self.predicted(volumes).sum(), volumes)[0]

    def penalty(self, logits: Tensor) -> Tensor:
        where = self.where.double().flatten(1)
        return -(torch.sigmoid(logits).log().flatten(1) * where).sum(1) / where.sum(1)

    def costs(self, estimator: str) -> Callable[[Tensor], Tensor]:
        """What is differentiated, from logits to one number a subject."""
        squares, goal = SLOPE**2 * self.steep().square(), self.targets.double()

        def cost(logits: Tensor) -> Tensor:
            if estimator == "recalibrated":
                sigma = self.noise.sigma(torch.sigmoid(logits)) * self.where
                term = (sigma.square() * squares).flatten(1).sum(1)
            else:
                signs = (1.0,) if estimator == "paper" else (1.0, -1.0)
                errors = [(self.predicted(self.noisy(logits, sign)) - goal).square() for sign in signs]
                term = torch.stack(errors).mean(0)
            return term + R * self.penalty(logits)

        return cost


def difference(cost: Callable[[Tensor], Tensor], at: Tensor, place: tuple[int, ...]) -> Tensor:
    """The central difference of each subject's cost by one voxel of its own, `(B,)`."""
    above, below = at.double().clone(), at.double().clone()
    above[(slice(None), 0, *place)] += STEP
    below[(slice(None), 0, *place)] -= STEP
    return (cost(above) - cost(below)).detach() / (2 * STEP)


def places(shape: tuple[int, ...], truth: Tensor) -> list[tuple[int, ...]]:
    """A corner outside the brain, the centre, and the voxels that the predictor reads."""
    return [(0, 0, 0), tuple(edge // 2 for edge in shape), *map(tuple, truth.nonzero().tolist())]


@pytest.mark.parametrize(("estimator", "form"), list(itertools.product(ESTIMATORS, NOISE_FORMS)))
def test_every_estimator_is_the_derivative_of_what_it_names(
    reader: ToyPredictor, estimate: Callable[..., Tensor], estimator: str, form: str
) -> None:
    setting = Setting(reader, form)
    given = {"noise": setting.noise, "r": R, "where": setting.where, "estimator": estimator, "slope": SLOPE}
    found = estimate(reader, setting.volumes, setting.targets, setting.logits, setting.epsilon, **given)
    cost = setting.costs(estimator)
    assert reader.truth is not None
    for place in places(reader.recipe.shape, reader.truth):
        expected = difference(cost, setting.logits, place)
        torch.testing.assert_close(found[(slice(None), 0, *place)].double(), expected, rtol=2e-3, atol=1e-5)


def test_the_penalty_is_the_derivative_of_the_mean_of_log_b(reader: ToyPredictor) -> None:
    setting = Setting(reader, "scaled")
    logits = setting.logits.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(penalty_of(logits, setting.where).sum(), logits)
    for place in places(reader.recipe.shape, torch.zeros(reader.recipe.shape)):
        expected = difference(setting.penalty, setting.logits, place)
        torch.testing.assert_close(found[(slice(None), 0, *place)].double(), expected, rtol=1e-4, atol=1e-8)


def test_the_predictor_s_gradient_is_its_finite_difference(reader: ToyPredictor) -> None:
    setting = Setting(reader, "scaled")
    predictions, steep = response(reader, setting.volumes)
    torch.testing.assert_close(predictions.double(), setting.predicted(setting.volumes.double()).detach())
    assert reader.truth is not None
    for place in places(reader.recipe.shape, reader.truth):
        expected = difference(setting.predicted, setting.volumes, place)
        torch.testing.assert_close(steep[(slice(None), 0, *place)].double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_predictions_and_penalty_that_come_with_it_are_those_under_this_noise(
    reader: ToyPredictor, estimator: str
) -> None:
    setting = Setting(reader, "equation1")
    _, predictions, penalty = objective(
        reader,
        setting.volumes,
        setting.targets,
        setting.logits,
        setting.where,
        noise=setting.noise,
        r=R,
        epsilon=setting.epsilon,
        estimator=estimator,
    )
    expected = setting.predicted(setting.noisy(setting.logits.double()))
    torch.testing.assert_close(predictions.double(), expected.detach(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(penalty.double(), setting.penalty(setting.logits.double()), rtol=1e-5, atol=1e-6)
    assert not predictions.requires_grad and not penalty.requires_grad


@pytest.mark.parametrize("logit", [-300.0, -90.0, 90.0, 300.0])
def test_where_a_mask_rounds_to_0_or_1_all_stays_finite(
    reader: ToyPredictor, estimate: Callable[..., Tensor], logit: float
) -> None:
    """log B as the logarithm of a rounded B would be minus infinity, and its gradient NaN."""
    setting = Setting(reader, "scaled")
    logits = torch.full_like(setting.logits, logit)
    penalty = penalty_of(logits, setting.where)
    torch.testing.assert_close(penalty, torch.full((2,), max(-logit, 0.0)))
    for estimator in ESTIMATORS:
        found = estimate(reader, setting.volumes, setting.targets, logits, setting.epsilon, estimator=estimator, r=R)
        voxels = setting.logits[0].numel()
        expected = -R / voxels if logit < 0 else 0.0  # of the penalty alone: -r (1 - B) / N
        torch.testing.assert_close(found, torch.full_like(found, expected), rtol=1e-4, atol=1e-9)
