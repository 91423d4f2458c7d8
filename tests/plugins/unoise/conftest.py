"""Small people, predictors and networks that the tests of U-noise share."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Sample
from interpbench.testing import ToyPredictor, cube_predictor, toy_samples
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.noise import Noise
from interpbench_unoise.objective import objective
from interpbench_unoise.training import Objective
from interpbench_unoise.unet import UNet


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture(scope="session")
def shape() -> tuple[int, int, int]:
    """Three edges that differ, one of them odd."""
    return (6, 7, 4)


@pytest.fixture(scope="session")
def reader(shape: tuple[int, int, int]) -> ToyPredictor:
    """Reads one cube, and bends: noise moves what it answers."""
    return cube_predictor(shape, nonlinear=True)


@pytest.fixture(scope="session")
def people(reader: ToyPredictor) -> list[Sample]:
    """Twelve subjects of whom the predictor is right."""
    return toy_samples(reader, 12)


@pytest.fixture(scope="session")
def tiny() -> UNoise:
    """The smallest method that has every part: a second of training."""
    return UNoise(v_min=0.1, channels=2, blocks=1, pretrain_epochs=1, epochs=2, batch_size=4, learning_rate=1e-2, r=2.0)


@pytest.fixture(scope="session")
def small_net() -> Callable[..., UNet]:
    """`small_net(seed=0)`: a U-Net of two channels and one block."""

    def make(seed: int = 0) -> UNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return UNet(2, 1)

    return make


@pytest.fixture(scope="session")
def flat_net(small_net: Callable[..., UNet]) -> Callable[[float], UNet]:
    """`flat_net(0.3)`: a U-Net whose mask is 0.3 everywhere, whatever it sees."""

    def make(mask: float) -> UNet:
        network = small_net()
        nn.init.zeros_(network.last.weight)
        nn.init.constant_(network.last.bias, math.log(mask / (1 - mask)))
        return network.eval()

    return make


@pytest.fixture(scope="session")
def aim_of() -> Callable[..., Objective]:
    """`aim_of(r=3.0)`: an objective, the default's with some changes."""

    def make(**changes: object) -> Objective:
        return Objective(
            **{"noise": Noise(0.0, 1.0), "r": 0.5, "penalty_over": "brain", "estimator": "paper", **changes}
        )

    return make


@pytest.fixture(scope="session")
def estimate() -> Callable[..., Tensor]:
    """What an estimator says of each subject alone: the gradient by the logits, `(B, 1, I, J, K)`."""

    def gradient(
        predictor: Predictor, volumes: Tensor, targets: Tensor, logits: Tensor, epsilon: Tensor, **changes: object
    ) -> Tensor:
        free = logits.detach().expand(volumes.shape).clone().requires_grad_(True)
        settings = {"noise": Noise(0.2, 1.2), "r": 0.5, "estimator": "paper", **changes}
        where = settings.pop("where", torch.ones_like(volumes))
        scalar, _, _ = objective(predictor, volumes, targets, free, where, epsilon=epsilon, **settings)
        return torch.autograd.grad(scalar, free)[0] * len(volumes)  # the scalar is a mean over subjects

    return gradient
