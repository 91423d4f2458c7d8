"""Train a network to tell classes apart: cross-entropy, best epoch by validation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench.contract.interfaces import Sample
from interpbench.predictor.network import NetworkPredictor
from interpbench.training.epochs import Trained, TrainingSettings, train_epochs


@dataclass(frozen=True)
class CrossEntropy:
    """The mean of `-log softmax(z)_y` over the network's scores z, y the index of the true class; a `Goal`."""

    predictor: NetworkPredictor

    def read(self, output: Any) -> Tensor:
        return self.predictor.read_classes(output)

    def loss(self, read: Tensor, samples: Sequence[Sample]) -> Tensor:
        return F.cross_entropy(read, _indices(samples).to(read.device))

    def trained(self, loss: float) -> Mapping[str, float]:
        return {"training_loss": loss}

    def validated(self, read: Tensor, samples: Sequence[Sample]) -> Mapping[str, float]:
        if not len(samples):
            return {"validation_loss": math.nan, "validation_accuracy": math.nan}
        scores, true = read.double().cpu(), _indices(samples)
        right = (scores.argmax(dim=1) == true).double()
        return {"validation_loss": float(F.cross_entropy(scores, true)), "validation_accuracy": float(right.mean())}


def train_classifier(
    predictor: NetworkPredictor,
    module: nn.Module,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    settings: TrainingSettings,
    *,
    left_right: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> Trained:
    """Minimise the mean cross-entropy over the training split.

    Args:
        predictor: whose `read_classes` turns the network's output into scores `(B, C)`.
        training, validation: a sample's `target` is the index of its class.
        module, left_right, checkpoint: see `train_epochs`.

    Raises:
        InterpbenchError: the loss is no longer a number.
    """
    goal = CrossEntropy(predictor)
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


def _indices(samples: Sequence[Sample]) -> Tensor:
    return torch.tensor([int(samples[place].target) for place in range(len(samples))])
