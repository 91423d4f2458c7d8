"""Train a network to predict one number a volume: mean squared error, best epoch by validation MAE."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Sample
from interpbench.predictor.network import NetworkPredictor
from interpbench.training.epochs import Trained, TrainingSettings, read_samples_of, train_epochs


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


def train_network(
    predictor: NetworkPredictor,
    module: nn.Module,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    settings: TrainingSettings,
    *,
    scale: float,
    offset: float,
    left_right: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> Trained:
    """Minimise the mean of `(read_out(module(x)) - (y - offset) / scale)**2` over the training split.

    Args:
        predictor: whose `read_out` turns the network's output into a number.
        scale, offset: put the target to unit variance and zero mean; in the target's unit.
        module, validation, left_right, checkpoint: see `train_epochs`.

    Raises:
        InterpbenchError: the loss is no longer a number.
    """
    goal = Regression(predictor, scale, offset)
    return train_epochs(
        module,
        goal,
        training,
        validation,
        settings,
        left_right=left_right,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
    )


def predict_samples(
    predictor: NetworkPredictor,
    module: nn.Module,
    samples: Sequence[Sample],
    settings: TrainingSettings,
    *,
    scale: float,
    offset: float,
    device: torch.device | str = "cpu",
) -> list[float]:
    """Predict each sample, in the target's unit."""
    goal = Regression(predictor, scale, offset)
    return goal.values(read_samples_of(goal, module, samples, settings, device))
