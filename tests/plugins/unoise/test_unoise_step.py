"""A step of the noise model's training: the gradients of the objective, however the work is divided."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from interpbench.testing import cube_predictor, toy_samples
from interpbench_unoise import batches
from interpbench_unoise.batches import Batch, collate
from interpbench_unoise.noise import Noise, generator_on, standard_normal
from interpbench_unoise.recalibration import Recalibration
from interpbench_unoise.training import Objective, noise_step
from interpbench_unoise.unet import UNet

SHAPE = (8, 10, 6)
PREDICTOR = cube_predictor(SHAPE, nonlinear=True)


@pytest.fixture
def batch() -> Batch:
    return collate(toy_samples(PREDICTOR, 5), torch.device("cpu"))


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(2, 2)


def aim(estimator: str) -> Objective:
    return Objective(noise=Noise(0.2, 1.2), r=2.0, penalty_over="brain", estimator=estimator)


def seen() -> Recalibration:
    """A line that is not the identity."""
    line = Recalibration()
    line.update(torch.linspace(40, 70, 16), torch.linspace(45, 65, 16))
    return line


def stepped(network: UNet, batch: Batch, estimator: str, **ways: object) -> tuple[list[Tensor], Tensor, Tensor]:
    network = copy.deepcopy(network)
    epsilon = standard_normal(batch.volumes, torch.Generator().manual_seed(3))
    found = noise_step(network, PREDICTOR, batch, aim(estimator), epsilon, recalibration=seen(), **ways)
    return [weights.grad for weights in network.parameters()], *found


@pytest.mark.parametrize("estimator", ["recalibrated", "antithetic", "paper"])
def test_parts_of_a_batch_add_up_to_the_whole(
    network: UNet, batch: Batch, estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, predictions, penalties = stepped(network, batch, estimator)
    for most in (1, 2 * 480):
        monkeypatch.setattr(batches, "VOXELS_AT_ONCE", most)
        parts, again, penalties_again = stepped(network, batch, estimator)
        torch.testing.assert_close(again, predictions)
        torch.testing.assert_close(penalties_again, penalties)
        for first, second in zip(whole, parts, strict=True):
            torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4 * float(first.abs().max()))


def test_the_paper_s_step_is_the_derivative_of_its_loss_through_both_networks(network: UNet, batch: Batch) -> None:
    found, predictions, penalties = stepped(network, batch, "paper")
    epsilon = standard_normal(batch.volumes, torch.Generator().manual_seed(3))
    mask = torch.sigmoid(network(batch.volumes))
    noisy = batch.volumes + batch.brains * (0.2 + mask) * epsilon
    penalty = -(mask.log() * batch.brains).flatten(1).sum(1) / batch.brains.flatten(1).sum(1)
    loss = ((PREDICTOR.predict(noisy) - batch.targets) ** 2 + 2.0 * penalty).mean()
    expected = torch.autograd.grad(loss, list(network.parameters()))
    assert float(((predictions - batch.targets) ** 2 + 2.0 * penalties).mean()) == pytest.approx(loss.item(), rel=1e-5)
    for first, second in zip(expected, found, strict=True):
        torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4 * float(first.abs().max()))


def test_the_line_of_the_steps_before_is_used_and_then_takes_in_the_batch(network: UNet, batch: Batch) -> None:
    line, epsilon = seen(), torch.randn(batch.volumes.shape, generator=torch.Generator().manual_seed(3))
    expected = copy.deepcopy(line)
    predictions, _ = noise_step(network, PREDICTOR, batch, aim("recalibrated"), epsilon, recalibration=line)
    expected.update(predictions, batch.targets)
    assert line.moments == expected.moments
    steeper = Recalibration()
    steeper.update(torch.linspace(50, 60, 16), torch.linspace(40, 70, 16))
    twice = [copy.deepcopy(network) for _ in range(2)]
    for one, its in zip(twice, (seen(), steeper), strict=True):
        one.zero_grad()
        noise_step(one, PREDICTOR, batch, aim("recalibrated"), epsilon, recalibration=its)
    assert not torch.equal(twice[0].last.weight.grad, twice[1].last.weight.grad)


def test_noise_is_drawn_on_the_device_and_on_a_cpu_as_a_generator_of_torch_draws_it() -> None:
    drawn = standard_normal(torch.empty(2, 1, *SHAPE), generator_on(torch.device("cpu"), 7))
    assert torch.equal(drawn, torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(7)))
    assert generator_on(torch.device("cpu"), 7).device.type == "cpu"
