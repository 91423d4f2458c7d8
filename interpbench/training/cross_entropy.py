"""The goal of a classifier's training: cross-entropy; the best epoch has the lowest validation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench.contract.interfaces import Sample
from interpbench.predictor.network import NetworkPredictor


@dataclass(frozen=True)
class CrossEntropy:
    """The mean of `-log softmax(z)_y` over the network's scores z, y the index of the true class; a `Goal`.

    A sample's `target` is the index of its class.
    """

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


def _indices(samples: Sequence[Sample]) -> Tensor:
    return torch.tensor([int(samples[place].target) for place in range(len(samples))])
