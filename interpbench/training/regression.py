"""The goal of a regressor's training: mean squared error; the best epoch has the lowest validation MAE."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interpbench.contract.interfaces import Sample
from interpbench.predictor.network import NetworkPredictor


@dataclass(frozen=True)
class Regression:
    """The mean of `(read_out(module(x)) - (y - offset) / scale)**2`; a `Goal`.

    `scale` and `offset` put the target to unit variance and zero mean; they are in its unit.
    """

    predictor: NetworkPredictor
    scale: float
    offset: float

    def read(self, output: Any) -> Tensor:
        return self.predictor.read_out(output)

    def loss(self, read: Tensor, samples: Sequence[Sample]) -> Tensor:
        targets = [(sample.target - self.offset) / self.scale for sample in samples]
        return (read - torch.tensor(targets, device=read.device)).square().mean()

    def trained(self, loss: float) -> Mapping[str, float]:
        return {"training_rmse": self.scale * math.sqrt(loss)}

    def validated(self, read: Tensor, samples: Sequence[Sample]) -> Mapping[str, float]:
        errors = [abs(value - sample.target) for value, sample in zip(self.values(read), samples, strict=True)]
        return {"validation_mae": sum(errors) / len(errors) if errors else math.nan}

    def values(self, read: Tensor) -> list[float]:
        """Predictions in the target's unit."""
        values: list[float] = (read.double() * self.scale + self.offset).tolist()
        return values
