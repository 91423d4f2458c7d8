"""The bar of a training moves with each step: an epoch can take hours."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interpbench import Recipe, Sample
from interpbench.progress import progress_bars
from interpbench.training.epochs import TrainingSettings, train_epochs
from interpbench.training.regression import Regression
from interpbench_networks.torch_module import TorchModule
from interpbench_unoise.loop import Schedule, train_by_epochs

SHAPE = (6, 7, 8)
SAMPLES = [
    Sample(subject=str(age), volume=torch.full((1, *SHAPE), age / 90), brain=torch.ones(SHAPE).bool(), target=age)
    for age in (20.0, 40.0, 60.0, 80.0, 90.0)
]


def a_network() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(1, 1))


def of_a_predictor() -> None:
    goal = Regression(TorchModule().loaded(a_network(), Recipe(shape=SHAPE, voxel_size=4.0)), 10.0, 40.0)
    train_epochs(a_network(), goal, SAMPLES, [], TrainingSettings(epochs=2, batch_size=2))


def of_unoise() -> None:
    network = nn.Linear(1, 1)
    train_by_epochs(
        network,
        SAMPLES,
        Schedule(epochs=2, batch_size=2, learning_rate=0.1, kind="step", milestones_every=1, patience=0, seed=0),
        what="training",
        device=torch.device("cpu"),
        step=lambda batch, _: network(batch.targets[:, None]).sum().backward(),
        validate=lambda: {"validation_loss": 1.0},
    )


@pytest.mark.parametrize("train", [of_a_predictor, of_unoise])
def test_a_bar_counts_the_steps_of_all_epochs_and_names_the_epoch(train, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(True):
        train()
    shown = capsys.readouterr().err
    assert "training, epoch 1 of 2" in shown and "training, epoch 2 of 2" in shown
    assert "6/6" in shown and "step" in shown  # three steps an epoch
