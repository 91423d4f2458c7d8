"""Predictors whose importance is known: linear, constant, with one important cube, and one that fails.

All are one small network, `(X inside a window) -> 1x1x1 convolution -> rectifier -> weighted sum`, so that methods
which need layers find some. Predictions are around 60 years with a spread of about 7 years on `toy_brains`.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Predictor
from interpbench.images.recipe import Recipe
from interpbench.testing.brains import Shape, toy_brains, toy_cube

MEAN, SPREAD = 60.0, 7.0  # of the predictions, years
EFFECT = 10.0  # of a `weighted_cube` that is brighter by one, years


class ToyFailure(Exception):
    """What a `failing` predictor raises."""


class ToyPredictor(Predictor):
    """A predictor around any module that maps `(B, 1, I, J, K)` to one number a subject.

    Args:
        module: is frozen and put in eval mode.
        shape: `(I, J, K)`, in voxels.
        truth: `(I, J, K)`; how much each voxel matters, 0 for not at all. None where nobody knows.
    """

    def __init__(self, module: nn.Module, shape: Shape, truth: Tensor | None = None) -> None:
        self.charge = FailurePlan()
        self._module = nn.Sequential(OrderedDict(network=module, fuse=_FailingPass(self.charge)))
        self._module.eval().requires_grad_(False)
        self.recipe = Recipe(shape=shape, voxel_size=4.0)
        self.truth = truth

    @property
    def module(self) -> nn.Module:
        return self._module

    def predict(self, volumes: Tensor) -> Tensor:
        predictions: Tensor = self._module(volumes).reshape(volumes.shape[0])
        return predictions


def linear_predictor(weights: Tensor, bias: float = MEAN) -> ToyPredictor:
    """f(x) = bias + sum over voxels of `weights` x; the gradient is `weights`, everywhere.

    Args:
        weights: `(I, J, K)`, years per unit of intensity.
        bias: years.
    """
    return _toy(weights.abs(), _network(torch.ones_like(weights), (1.0,), weights.reshape(1, -1), bias))


def constant_predictor(shape: Shape, value: float = MEAN) -> ToyPredictor:
    """f(x) = `value` years whatever x is, with a gradient that is zero. Its importance map is flat."""
    everywhere = torch.ones(shape)
    readout = torch.zeros(1, 2 * everywhere.numel())
    return _toy(torch.zeros(shape), _network(everywhere, (1.0, -1.0), readout, value))


def cube_predictor(shape: Shape, *, nonlinear: bool = False) -> ToyPredictor:
    """A predictor that uses only the voxels of `toy_cube(shape)`, all equally.

    Linear: f(x) = b + w sum of x over the cube. Nonlinear: f(x) = b + w sum of (2 relu(x) + relu(-x)), whose slope
    depends on the sign of x and never vanishes, and whose expectation moves when noise is added.
    """
    cube = toy_cube(shape)
    voxels = int(cube.sum())
    weight = SPREAD * math.sqrt(2 / voxels)  # half the variance of `toy_brains` is individual
    if not nonlinear:
        return _around_mean(_toy(cube.float(), _network(cube, (1.0,), weight * cube.reshape(1, -1), 0.0)))
    readout = weight * torch.stack([2.0 * cube, 1.0 * cube]).reshape(1, -1)
    return _around_mean(_toy(cube.float(), _network(cube, (1.0, -1.0), readout, 0.0)))


def weighted_cube_predictor(shape: Shape) -> ToyPredictor:
    """f(x) = 60 + sum of w x over `toy_cube(shape)`; w rises threefold through the cube and adds up to 10 years."""
    cube = toy_cube(shape)
    weights = torch.zeros(shape)
    weights[cube] = torch.linspace(0.5, 1.5, int(cube.sum())) * EFFECT / int(cube.sum())
    return linear_predictor(weights)


def failing(predictor: ToyPredictor, *, call: int = 1, stage: str = "forward") -> ToyPredictor:
    """The same predictor, of the same fingerprint, which raises `ToyFailure` once.

    Args:
        call: in which call of its module, counted from 1; 0 for never.
        stage: "forward", or "backward" for the backward pass of that call.
    """
    network = copy.deepcopy(predictor.module.get_submodule("network"))
    broken = ToyPredictor(network, predictor.recipe.shape, predictor.truth)
    broken.recipe = predictor.recipe
    broken.charge.call, broken.charge.stage = call, stage
    return broken


@dataclass(eq=False)
class FailurePlan:
    """The call in which a predictor fails (0 for never), and whether it has failed. Copies of a network share it."""

    call: int = 0
    stage: str = "forward"
    calls: int = 0
    largest: int = 0  # volumes in one call
    blown: bool = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def blow(self, stage: str, call: int) -> None:
        if call == self.call and stage == self.stage:
            self.blown = True
            raise ToyFailure(f"the toy predictor fails in the {stage} pass of call {call}, as it was asked to")


class _FailingPass(nn.Module):
    def __init__(self, charge: FailurePlan) -> None:
        super().__init__()
        self.charge = charge

    def forward(self, output: Tensor) -> Tensor:
        self.charge.calls += 1
        self.charge.largest = max(self.charge.largest, output.shape[0])
        call = self.charge.calls
        self.charge.blow("forward", call)
        if output.requires_grad:
            output = output.clone()
            output.register_hook(lambda _: self.charge.blow("backward", call))
        return output


class _Window(nn.Module):
    def __init__(self, window: Tensor) -> None:
        super().__init__()
        self.register_buffer("window", window.float())

    def forward(self, volumes: Tensor) -> Tensor:
        return volumes * self.get_buffer("window")


def _toy(truth: Tensor, module: nn.Module) -> ToyPredictor:
    shape = (truth.shape[0], truth.shape[1], truth.shape[2])
    return ToyPredictor(module, shape, truth)


def _around_mean(predictor: ToyPredictor) -> ToyPredictor:
    """The bias is set so that predictions on `toy_brains` lie around 60 years."""
    bias = predictor.module.get_parameter("network.readout.bias")
    with torch.no_grad():
        bias.add_(MEAN - predictor.predict(toy_brains(16, predictor.recipe.shape)).mean())
    return predictor


def _network(window: Tensor, filters: tuple[float, ...], readout: Tensor, bias: float) -> nn.Module:
    """One 1x1x1 filter a feature, rectified where there are two; `readout` is `(1, features * I * J * K)`."""
    with torch.random.fork_rng(devices=[]):  # making a toy draws no random numbers
        features, last = nn.Conv3d(1, len(filters), 1, bias=False), nn.Linear(readout.shape[1], 1)
    features.weight.data = torch.tensor(filters).reshape(-1, 1, 1, 1, 1)
    last.weight.data, last.bias.data = readout.float().clone(), torch.tensor([bias])
    layers = [
        ("window", _Window(window)),
        ("features", features),
        ("rectifier", nn.ReLU() if len(filters) > 1 else nn.Identity()),
        ("flatten", nn.Flatten()),
        ("readout", last),
    ]
    return nn.Sequential(OrderedDict(layers))
