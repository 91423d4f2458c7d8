"""The estimators against automatic differentiation, and against expectations in closed form."""

from __future__ import annotations

import pytest
import torch

from interpbench.testing import ToyPredictor, cube_predictor, linear_predictor, toy_brains, toy_samples
from interpbench_unoise.noise import Noise, standard_normal
from interpbench_unoise.objective import objective, response
from interpbench_unoise.recalibration import Recalibration, recalibrated
from interpbench_unoise.training import Objective, noise_variance
from interpbench_unoise.unet import UNet

SHAPE = (6, 7, 8)


def evaluate(
    predictor: ToyPredictor,
    logits: torch.Tensor,
    volumes: torch.Tensor,
    targets: torch.Tensor,
    seed: int,
    **changes: object,
) -> torch.Tensor:
    settings = {
        "noise": Noise(0.2, 1.2),
        "r": 0.5,
        "estimator": "paper",
        "epsilon": standard_normal(volumes, torch.Generator().manual_seed(seed)),
        **changes,
    }
    return objective(predictor, volumes, targets, logits, torch.ones_like(volumes), **settings)[0]  # type: ignore[arg-type]


def gradient(surrogate: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(surrogate, logits)[0]


@pytest.fixture
def setting() -> tuple[ToyPredictor, torch.Tensor, torch.Tensor, torch.Tensor]:
    volumes = toy_brains(2, SHAPE)
    logits = torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(5)).requires_grad_(True)
    return cube_predictor(SHAPE, nonlinear=True), logits, volumes, torch.tensor([55.0, 66.0])


@pytest.mark.parametrize("form", ["scaled", "equation1"])
def test_the_paper_s_estimator_is_the_derivative_of_the_paper_s_loss(setting: tuple, form: str) -> None:
    predictor, logits, volumes, targets = setting
    noise = Noise(1.0, 5.0, form)
    found = gradient(evaluate(predictor, logits, volumes, targets, 3, noise=noise), logits)
    epsilon = standard_normal(volumes, torch.Generator().manual_seed(3))
    mask = torch.sigmoid(logits)
    noisy = volumes + mask * 4 * epsilon + 1 if form == "equation1" else volumes + (1 + mask * 4) * epsilon
    loss = (predictor.predict(noisy) - targets) ** 2 - 0.5 * mask.log().flatten(1).mean(1)
    torch.testing.assert_close(found, torch.autograd.grad(loss.mean(), logits)[0], rtol=1e-3, atol=1e-4)


def test_antithetic_noise_gives_the_derivative_of_the_mean_of_both_losses(setting: tuple) -> None:
    predictor, logits, volumes, targets = setting
    both = gradient(evaluate(predictor, logits, volumes, targets, 3, estimator="antithetic"), logits)
    epsilon = standard_normal(volumes, torch.Generator().manual_seed(3))
    ends = [
        gradient(evaluate(predictor, logits, volumes, targets, 3, epsilon=sign * epsilon), logits) for sign in (1, -1)
    ]
    torch.testing.assert_close(both, (ends[0] + ends[1]) / 2, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_for_a_linear_predictor_the_recalibrated_gradient_has_no_noise_and_is_the_expectation() -> None:
    weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    predictor, noise = linear_predictor(weights), Noise(0.0, 1.0)
    volumes = torch.zeros(1, 1, *SHAPE)
    targets = predictor.predict(volumes)
    logits = torch.zeros(1, 1, *SHAPE, requires_grad=True)

    def at(seed: int, estimator: str) -> torch.Tensor:
        step = evaluate(predictor, logits, volumes, targets, seed, noise=noise, r=1e-9, estimator=estimator)
        return gradient(step, logits)

    exact = at(0, "recalibrated")
    torch.testing.assert_close(exact, at(1, "recalibrated"))
    # d/dlogit of sigma^2 w^2 at B = 1/2 is 2 sigma w^2 B (1 - B) = w^2 / 4
    torch.testing.assert_close(exact[0, 0], weights.square() / 4, rtol=1e-4, atol=1e-6)
    sampled = torch.stack([at(seed, "antithetic") for seed in range(8000)]).mean(0)
    # voxel by voxel the cross-terms have not averaged out; along the expectation they have
    assert float((sampled * exact).sum() / exact.square().sum()) == pytest.approx(1.0, abs=0.1)


def test_the_mean_squared_error_of_antithetic_noise_is_bias_plus_variance(setting: tuple) -> None:
    predictor, _, volumes, targets = setting
    epsilon = standard_normal(volumes, torch.Generator().manual_seed(1))
    plus, minus = (response(predictor, volumes + sign * epsilon)[0] for sign in (1, -1))
    both = ((plus - targets) ** 2 + (minus - targets) ** 2) / 2
    torch.testing.assert_close(both, ((plus + minus) / 2 - targets) ** 2 + ((plus - minus) / 2) ** 2)


def test_voxels_that_are_not_penalised_get_no_noise_and_no_gradient(setting: tuple) -> None:
    predictor, logits, volumes, targets = setting
    where = torch.ones_like(volumes)
    where[..., 0] = 0
    scalar, _, _ = objective(
        predictor,
        volumes,
        targets,
        logits,
        where,
        noise=Noise(0.0, 1.0),
        r=0.5,
        estimator="paper",
        epsilon=torch.randn(volumes.shape),
    )
    assert not gradient(scalar, logits)[..., 0].any()


def test_the_running_line_is_least_squares_of_what_it_saw() -> None:
    generator = torch.Generator().manual_seed(0)
    predictions = 60 + 5 * torch.randn(64, generator=generator)
    targets = 1.5 * predictions - 20 + torch.randn(64, generator=generator)
    line = Recalibration()
    line.update(predictions, targets)
    straight = recalibrated(predictions.double().numpy(), targets.double().numpy(), predictions.double().numpy())
    torch.testing.assert_close(
        torch.from_numpy(straight), line.slope * predictions.double() + line.intercept, rtol=1e-6, atol=1e-6
    )
    assert line.slope == pytest.approx(1.5, abs=0.1)


def test_a_line_through_too_little_is_the_identity_s_slope() -> None:
    line = Recalibration()
    assert line.slope == 1.0
    line.update(torch.tensor([60.0]), torch.tensor([50.0]))
    assert line.slope == 1.0 and line.intercept == pytest.approx(-10.0)


def test_the_variance_of_held_out_subjects_is_the_closed_form_of_a_linear_predictor() -> None:
    weights = 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    predictor = linear_predictor(weights)
    aim = Objective(noise=Noise(0.5, 1.5), r=1.0, penalty_over="volume", estimator="recalibrated")
    network = UNet(2, 2)
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.zeros_(network.last.bias)  # B = 1/2, sigma = 1 everywhere
    found = noise_variance(network, predictor, toy_samples(predictor, 256), aim, device=torch.device("cpu"))
    assert found == pytest.approx(float(weights.square().sum()), rel=4 * (2 / 256) ** 0.5)
