"""A training that is cut off goes on from its last epoch, and ends with the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interpbench import Recipe, Sample
from interpbench.errors import ResourceError
from interpbench.kit import Checkpoint
from interpbench.training.epochs import TrainingSettings, train_epochs
from interpbench.training.regression import Regression
from interpbench_networks.torch_module import TorchModule

SHAPE = (6, 6, 6)


def parts() -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters(), 0.1)
    return module, optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=20)


def stepped(module: nn.Module, optimiser: torch.optim.Optimizer, schedule: Any) -> torch.Tensor:
    optimiser.zero_grad()
    module(torch.rand(4, 3)).square().mean().backward()
    optimiser.step()
    schedule.step()
    return torch.cat([one.flatten() for one in module.parameters()]).detach().clone()


def test_states_random_numbers_and_values_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, optimiser, schedule = parts()
    first = Checkpoint(tmp_path / "new" / "at.pt", module=module, optimiser=optimiser, schedule=schedule)
    assert first.find() is None
    stepped(module, optimiser, schedule)
    first.keep(curve=[{"epoch": 1, "loss": 0.5}], best={"weight": torch.ones(2)}, score=float("inf"))
    expected = [stepped(module, optimiser, schedule) for _ in range(3)]
    torch.manual_seed(99)
    module, optimiser, schedule = parts()
    found = Checkpoint(first.path, module=module, optimiser=optimiser, schedule=schedule).find()
    assert found is not None
    assert (found["curve"], found["score"]) == ([{"epoch": 1, "loss": 0.5}], float("inf"))
    assert torch.equal(found["best"]["weight"], torch.ones(2))
    for values in expected:
        assert torch.equal(stepped(module, optimiser, schedule), values)


def test_without_a_path_nothing_is_kept() -> None:
    nowhere = Checkpoint(None, module=nn.Linear(1, 1))
    nowhere.keep(anything=1)
    assert nowhere.find() is None


def flipped(data: bytes) -> bytes:
    return bytes([*data[:-500], data[-500] ^ 1, *data[-499:]])


@pytest.mark.parametrize("damage", [lambda data: data[:-300], lambda data: b"", lambda data: b"text" * 50, flipped])
def test_a_damaged_file_is_told_of_and_training_begins_anew(
    damage: Callable[[bytes], bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Checkpoint(tmp_path / "at.pt", module=nn.Linear(3, 2))
    kept.keep(curve=[])
    assert kept.path
    kept.path.write_bytes(damage(kept.path.read_bytes()))
    with caplog.at_level(logging.WARNING, "interpbench"):
        assert kept.find() is None
    assert "training starts again from the beginning" in caplog.text


class Shy(nn.Module):
    """A network that draws from the global random state, as dropout does."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 3, 3),
            nn.BatchNorm3d(3),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(3, 1),
        )

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(volumes)
        return found


def samples(number: int, seed: int) -> list[Sample]:
    generator = torch.Generator().manual_seed(seed)
    volumes = torch.randn(number, 1, *SHAPE, generator=generator)
    brain = torch.ones(SHAPE, dtype=torch.bool)
    return [
        Sample(subject=str(index), volume=volume, brain=brain, target=40 + float(volume.mean()) * 30)
        for index, volume in enumerate(volumes)
    ]


class CutOff(Exception):
    """As a killed process is, between two of its steps."""


@pytest.mark.parametrize("epochs_done", [1, 2, 4, 5])
@pytest.mark.parametrize("schedule", ["step", "onecycle"])
def test_a_training_that_is_cut_off_ends_as_one_that_was_not(
    epochs_done: int, schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainingSettings(
        epochs=5, batch_size=4, learning_rate=1e-2, schedule=schedule, milestones_every=2, flip=0.5, shift=1, noise=0.1
    )

    def trained(checkpoint: Path | None) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            predictor = TorchModule().loaded(Shy(), Recipe(shape=SHAPE, voxel_size=4.0))
            return train_epochs(
                Shy(),
                Regression(predictor, 10.0, 40.0),
                samples(11, 0),
                samples(4, 1),
                settings,
                seed=7,
                checkpoint=checkpoint,
            )

    whole = trained(None)
    keep = Checkpoint.keep
    count = 0

    def cutting(self: Checkpoint, **values: Any) -> None:
        nonlocal count
        keep(self, **values)
        count += 1
        if count == epochs_done:
            raise CutOff

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "keep", cutting)
        with pytest.raises(CutOff):
            trained(tmp_path / "at.pt")
    again = trained(tmp_path / "at.pt")
    assert again.curve == whole.curve
    assert again.best_epoch == whole.best_epoch
    for name, values in whole.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], values), name


def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoint(tmp_path / "at.pt", module=nn.Linear(3, 2))
    kept.keep(number=1)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(ResourceError):
        kept.keep(number=2)
    assert kept.find() == {"number": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["at.pt"]
