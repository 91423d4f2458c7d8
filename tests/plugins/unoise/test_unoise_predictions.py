"""Predictions under the noise, and the variance that it costs, against closed forms and a second way."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from interpbench import Sample
from interpbench.testing import ToyPredictor, linear_predictor, toy_brain, toy_samples
from interpbench_unoise import training as module
from interpbench_unoise.batches import collate
from interpbench_unoise.loop import Schedule
from interpbench_unoise.noise import Noise, generator_on, standard_normal
from interpbench_unoise.objective import objective
from interpbench_unoise.recalibration import Recalibration
from interpbench_unoise.training import (
    VALIDATION_SEED,
    Objective,
    mask_logits,
    noise_step,
    noise_variance,
    noisy_predictions,
    train_noise_model,
)
from interpbench_unoise.unet import UNet

SHAPE = (4, 4, 5)
CPU = torch.device("cpu")
Nets = Callable[..., UNet]  # `flat_net(mask)` and `small_net(seed)`
Aims = Callable[..., Objective]
ERRORS = 5.0  # standard errors that a mean may lie off


@pytest.fixture(scope="module")
def weights() -> torch.Tensor:
    return 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def straight(weights: torch.Tensor) -> ToyPredictor:
    return linear_predictor(weights)


@pytest.fixture(scope="module")
def crowd(straight: ToyPredictor) -> list[Sample]:
    return toy_samples(straight, 250)


@pytest.mark.parametrize("over", ["brain", "volume"])
@pytest.mark.parametrize(
    ("noise", "mask"),
    [(Noise(0.0, 1.0), 0.8), (Noise(0.5, 2.0), 0.1), (Noise(0.5, 2.0, "equation1"), 0.4)],
    ids=str,
)
def test_variance_and_predictions_of_a_straight_predictor_are_the_closed_form_s(
    straight: ToyPredictor,
    weights: torch.Tensor,
    crowd: list[Sample],
    flat_net: Nets,
    aim_of: Aims,
    over: str,
    noise: Noise,
    mask: float,
) -> None:
    aim, network = aim_of(noise=noise, penalty_over=over), flat_net(mask)
    reached = weights * (toy_brain(SHAPE) if over == "brain" else 1)
    sd = float(noise.sigma(torch.tensor(mask)) * reached.norm())
    found = noise_variance(network, straight, crowd, aim, device=CPU)
    assert found == pytest.approx(sd**2, rel=ERRORS * math.sqrt(2 / len(crowd)))  # a chi-squared mean
    noisy, goal, penalty = noisy_predictions(network, straight, crowd, aim, device=CPU)
    errors = noisy - goal
    shift = noise.shift * float(reached.sum())
    assert errors.mean() == pytest.approx(shift, abs=ERRORS * sd / math.sqrt(len(crowd)))
    assert errors.std() == pytest.approx(sd, rel=ERRORS / math.sqrt(2 * len(crowd)))
    assert penalty == pytest.approx(np.full(len(crowd), -math.log(mask)), rel=1e-4)


@pytest.mark.parametrize("number", [1, 3, 40, 128, 200])
def test_few_subjects_get_so_many_draws_that_the_variance_is_known_well_enough(
    straight: ToyPredictor, weights: torch.Tensor, crowd: list[Sample], flat_net: Nets, aim_of: Aims, number: int
) -> None:
    draws = number * max(1, math.ceil(module.DRAWS / number))
    assert draws >= module.DRAWS
    calls = straight.charge.calls
    found = noise_variance(flat_net(0.5), straight, crowd[:number], aim_of(penalty_over="volume"), device=CPU)
    assert straight.charge.calls - calls == draws
    assert found == pytest.approx(0.25 * float(weights.square().sum()), rel=ERRORS * math.sqrt(2 / draws))


def test_the_variance_goes_with_the_square_of_the_noise_and_is_the_same_at_every_call(
    straight: ToyPredictor, crowd: list[Sample], flat_net: Nets, aim_of: Aims
) -> None:
    found = [
        noise_variance(flat_net(0.5), straight, crowd[:20], aim_of(noise=Noise(0.0, high)), device=CPU)
        for high in (1.0, 3.0, 1.0)
    ]
    assert found[0] == found[2] and found[1] == pytest.approx(9 * found[0], rel=1e-3)


def test_a_bias_that_both_ends_of_the_noise_share_is_no_variance(
    reader: ToyPredictor, people: list[Sample], flat_net: Nets, aim_of: Aims
) -> None:
    """The bent predictor is moved by noise; half the difference of both ends does not see by how much."""
    settings = {"device": torch.device("cpu")}
    aim = aim_of(noise=Noise(0.0, 2.0))
    noisy, goal, _ = noisy_predictions(flat_net(0.9), reader, people, aim, **settings)
    variance = noise_variance(flat_net(0.9), reader, people, aim, **settings)
    assert abs((noisy - goal).mean()) > 3 and variance < np.square(noisy - goal).mean()


def test_noisy_predictions_are_those_of_the_validation_s_own_noise(
    reader: ToyPredictor, people: list[Sample], small_net: Nets, aim_of: Aims
) -> None:
    network, aim = small_net(1).eval(), aim_of(noise=Noise(0.3, 1.0, "equation1"))
    noisy, goal, penalty = noisy_predictions(network, reader, people, aim, device=CPU, batch_size=12)
    batch = collate(people, CPU)
    epsilon = standard_normal(batch.volumes, generator_on(CPU, VALIDATION_SEED))
    with torch.no_grad():
        mask = torch.sigmoid(network(batch.volumes))
        expected = reader.predict(batch.volumes + batch.brains * (0.3 + 0.7 * mask * epsilon))
    assert noisy == pytest.approx(expected.double().numpy(), rel=1e-5)
    assert goal == pytest.approx([one.target for one in people], rel=1e-6)
    inside = mask[:, :, people[0].brain].log().mean(dim=(1, 2))
    assert penalty == pytest.approx(-inside.double().numpy(), rel=1e-4)
    assert all(values.dtype == np.float64 and values.shape == (12,) for values in (noisy, goal, penalty))


@pytest.mark.parametrize("estimator", ["recalibrated", "antithetic", "paper"])
def test_a_step_s_gradient_is_the_objective_s_by_the_chain_rule(
    reader: ToyPredictor, people: list[Sample], small_net: Nets, aim_of: Aims, estimator: str
) -> None:
    network, aim, batch = small_net(), aim_of(estimator=estimator, noise=Noise(0.2, 1.0)), collate(people[:4], CPU)
    epsilon = torch.randn(batch.volumes.shape, generator=torch.Generator().manual_seed(0))
    line = Recalibration()
    line.update(torch.linspace(40, 70, 16), torch.linspace(45, 65, 16))
    slope = line.slope
    found = noise_step(network, reader, batch, aim, epsilon, recalibration=line)
    logits = mask_logits(network, batch.volumes)
    free = logits.detach().requires_grad_(True)
    settings = {"noise": aim.noise, "r": aim.r, "epsilon": epsilon, "estimator": estimator, "slope": slope}
    scalar, *expected = objective(reader, batch.volumes, batch.targets, free, batch.brains, **settings)
    (by_logits,) = torch.autograd.grad(scalar, free)
    by_weights = torch.autograd.grad(logits, list(network.parameters()), by_logits)
    for weights, gradient in zip(network.parameters(), by_weights, strict=True):
        torch.testing.assert_close(weights.grad, gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max() + 1))
    for first, second in zip(found, expected, strict=True):
        torch.testing.assert_close(first, second)


def test_steps_without_a_reset_between_them_add_up(
    reader: ToyPredictor, people: list[Sample], small_net: Nets, aim_of: Aims
) -> None:
    network, batch = small_net(), collate(people[:3], CPU)
    epsilon = torch.randn(batch.volumes.shape, generator=torch.Generator().manual_seed(0))
    found = []
    for _ in range(2):
        noise_step(network, reader, batch, aim_of(), epsilon, recalibration=Recalibration())
        found.append([weights.grad.clone() for weights in network.parameters()])
    for once, twice in zip(*found, strict=True):
        torch.testing.assert_close(twice, 2 * once)


def test_in_bfloat16_a_step_points_where_it_does_in_float32(
    reader: ToyPredictor, people: list[Sample], aim_of: Aims
) -> None:
    batch, found = collate(people[:6], CPU), []
    epsilon = torch.randn(batch.volumes.shape, generator=torch.Generator().manual_seed(0))
    for precision in ("float32", "bfloat16"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = UNet(8, 1)
        aim = aim_of(estimator="recalibrated", r=5.0)
        noise_step(network, reader, batch, aim, epsilon, recalibration=Recalibration(), precision=precision)
        found.append(torch.cat([weights.grad.flatten() for weights in network.parameters()]))
        assert mask_logits(network, batch.volumes, precision).dtype == torch.float32
    assert float(torch.cosine_similarity(*found, dim=0)) > 0.98
    assert float(found[1].norm() / found[0].norm()) == pytest.approx(1.0, abs=0.1)


def test_noise_goes_where_it_is_penalised(aim_of: Aims) -> None:
    brains = torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).round()
    assert torch.equal(aim_of(penalty_over="brain").where(brains), brains)
    assert torch.equal(aim_of(penalty_over="volume").where(brains), torch.ones_like(brains))


class Squares(torch.nn.Module):
    """f(x) = 60 + the mean of x^2 over the whole volume, the head outside the brain too."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return 60 + volumes.square().flatten(1).mean(1)


def test_the_variance_is_that_of_the_same_draws_one_after_the_other(
    crowd: list[Sample], small_net: Nets, aim_of: Aims
) -> None:
    """A shift moves a bent predictor's slope, so it counts where it lies: in the brain."""
    network, predictor, some = small_net(1).eval(), ToyPredictor(Squares(), SHAPE), crowd[:2]
    aim = aim_of(noise=Noise(1.0, 3.0, "equation1"))
    found = noise_variance(network, predictor, some, aim, device=CPU)
    generator, halves = generator_on(CPU, VALIDATION_SEED), []
    for one in some:
        volume, brain = one.volume[None], one.brain.float()
        with torch.no_grad():
            sigma = 2.0 * torch.sigmoid(network(volume))
        for _ in range(64):
            noise = brain * sigma * torch.randn(volume.shape, generator=generator)
            ends = [predictor.predict(volume + brain + sign * noise).double() for sign in (1, -1)]
            halves.append(float(ends[0] - ends[1]) / 2)
    assert found == pytest.approx(np.square(halves).mean(), rel=1e-5)


@pytest.mark.parametrize("estimator", ["recalibrated", "antithetic", "paper"])
def test_what_an_epoch_is_judged_by_is_what_its_estimator_minimises(
    reader: ToyPredictor, people: list[Sample], flat_net: Nets, aim_of: Aims, estimator: str
) -> None:
    """With a learning rate of nothing the mask stays, and every figure of the curve can be worked out again."""
    network, aim = flat_net(0.4), aim_of(estimator=estimator, noise=Noise(0.2, 1.2), r=3.0)
    rest = {"kind": "step", "milestones_every": 1, "patience": 0, "seed": 0}
    plan = Schedule(epochs=3, batch_size=4, learning_rate=1e-30, **rest)
    curve = train_noise_model(network, reader, people[:8], people[8:], aim, plan, device=CPU)
    noisy, goal, penalty = noisy_predictions(network, reader, people[8:], aim, device=CPU)
    error = np.square(noisy - goal).mean()
    variance = noise_variance(network, reader, people[8:], aim, device=CPU)
    for row in curve:
        expected = row["slope"] ** 2 * variance if estimator == "recalibrated" else error
        assert row["validation_error"] == pytest.approx(expected, rel=1e-5)
        assert row["validation_penalty"] == pytest.approx(penalty.mean(), rel=1e-6)
        assert row["validation_loss"] == pytest.approx(expected + 3.0 * penalty.mean(), rel=1e-5)
        assert row["noisy_mae"] == pytest.approx(np.abs(noisy - goal).mean(), rel=1e-5)
    assert abs(curve[-1]["slope"] - 1) > 0.02
    line = curve[-1]["recalibrated_mae"]
    assert (line == pytest.approx(curve[-1]["noisy_mae"])) == (estimator != "recalibrated")
