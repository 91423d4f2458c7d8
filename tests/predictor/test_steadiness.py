"""A network that draws random numbers is doubtful, also where no answer showed it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.predictor.made_up import made_up_volumes
from interpbench.predictor.trial import refuse_findings, try_network
from interpbench_networks.torch_module import TorchModule

RECIPE = Recipe(shape=(10, 12, 9), voxel_size=4.0)
VOLUMES = made_up_volumes(RECIPE)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 1)

    def drawn(self, z: Tensor) -> float | Tensor:
        return 0.0

    def forward(self, x: Tensor) -> Tensor:
        z = torch.relu(self.conv(x)).mean((2, 3, 4))
        return self.head(z) + 5 * self.drawn(z)


class RareDropPath(Net):
    def drawn(self, z: Tensor) -> float | Tensor:
        return (torch.rand(len(z), 1) < 1e-9).float()


class RareNumpy(Net):
    def drawn(self, z: Tensor) -> float | Tensor:
        return float(np.random.rand() < 1e-9)


class RarePython(Net):
    def drawn(self, z: Tensor) -> float | Tensor:
        return float(random.random() < 1e-9)


class OffInEval(Net):
    def drawn(self, z: Tensor) -> float | Tensor:
        return nn.functional.dropout(torch.zeros(1), 0.5, training=self.training)


def predictor(kind: type[Net]) -> Predictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TorchModule(factory="nets:Net").loaded(kind(), RECIPE)


@pytest.mark.parametrize("kind", [RareDropPath, RareNumpy, RarePython], ids=lambda kind: kind.__name__)
def test_a_network_that_draws_random_numbers_is_told_and_not_refused(kind: type[Net]) -> None:
    trial = try_network(predictor(kind), VOLUMES)
    assert [(one.kind, one.certain) for one in trial.findings] == [("chance", False)]
    (told,) = refuse_findings(trial.findings, "MODEL")
    assert told.startswith("MODEL: it draws random numbers when it predicts") and "a random layer may be on" in told
    assert trial.figures["repeat_difference"] == 0 and trial.figures["largest_gradient"] > 0


@pytest.mark.parametrize("kind", [Net, OffInEval], ids=lambda kind: kind.__name__)
def test_a_network_that_draws_none_is_not_doubted(kind: type[Net]) -> None:
    assert try_network(predictor(kind), VOLUMES).findings == ()
