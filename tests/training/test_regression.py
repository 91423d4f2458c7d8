"""The training loop: what it minimises, what it keeps, and that a seed fixes every byte."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from interpbench import Sample
from interpbench.errors import InterpbenchError, UsageError
from interpbench.predictor.network import NetworkPredictor
from interpbench.training.epochs import TrainingSettings, read_samples_of, train_epochs
from interpbench.training.regression import Regression

SHAPE = (6, 7, 8)


class Mean(NetworkPredictor):
    """A line through the mean intensity: two weights, so that the optimum is known."""

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(1, 1))


def samples(number: int, seed: int = 0) -> list[Sample]:
    """Brighter is older: age 50 at zero, 10 years more a unit of brightness."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for index in range(number):
        brightness = float(torch.rand(1, generator=generator))
        volume = torch.full((1, *SHAPE), brightness)
        made.append(Sample(f"{index:03d}", volume, torch.ones(SHAPE, dtype=torch.bool), 50 + 10 * brightness))
    return made


def trained(settings: TrainingSettings, seed: int = 0, validation: int = 6) -> tuple[nn.Module, int, list[dict]]:
    predictor = Mean()
    module = predictor.build(SHAPE)
    goal = Regression(predictor, 3.0, 55.0)
    result = train_epochs(module, goal, samples(16), samples(validation, 1), settings, seed=seed)
    return result.module, result.best_epoch, result.curve


def predicted(module: nn.Module, some: list[Sample]) -> list[float]:
    goal = Regression(Mean(), 3.0, 55.0)
    return goal.values(read_samples_of(goal, module, some, TrainingSettings()))


def test_it_finds_the_line_that_made_the_ages() -> None:
    module, _, curve = trained(TrainingSettings(epochs=120, learning_rate=0.1, milestones_every=40))
    values = predicted(module, samples(5, 2))
    assert values == pytest.approx([sample.target for sample in samples(5, 2)], abs=0.1)
    assert curve[-1]["training_rmse"] < 0.1


def test_the_kept_weights_are_those_of_the_epoch_with_the_lowest_validation_error() -> None:
    settings = TrainingSettings(epochs=12, learning_rate=0.5)
    module, best_epoch, curve = trained(settings)
    scores = [row["validation_mae"] for row in curve]
    held_out = samples(6, 1)
    values = predicted(module, held_out)
    error = sum(abs(value - sample.target) for value, sample in zip(values, held_out, strict=True)) / 6
    assert best_epoch == 1 + scores.index(min(scores))
    assert error == pytest.approx(min(scores))


def test_without_a_validation_split_the_last_epoch_is_kept() -> None:
    _, best_epoch, curve = trained(TrainingSettings(epochs=3), validation=0)
    assert best_epoch == 3
    assert all(math.isnan(row["validation_mae"]) for row in curve)


def test_the_learning_rate_is_divided_by_ten_every_so_many_epochs() -> None:
    _, _, curve = trained(TrainingSettings(epochs=5, learning_rate=1e-2, milestones_every=2))
    assert [row["learning_rate"] for row in curve] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4])


def test_one_cycle_goes_up_and_down() -> None:
    _, _, curve = trained(TrainingSettings(epochs=20, learning_rate=1e-2, schedule="onecycle"))
    rates = [row["learning_rate"] for row in curve]
    assert rates[0] < max(rates) > rates[-1]
    assert max(rates) == pytest.approx(1e-2, rel=0.05)


def test_one_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    settings = TrainingSettings(epochs=3, learning_rate=1e-2, flip=0.5, shift=1, noise=0.1, batch_size=3)
    first, second, other = (trained(settings, seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    predictor = Mean()
    with torch.random.fork_rng(devices=[]):
        module = predictor.build(SHAPE)
    train_epochs(module, Regression(predictor, 1.0, 50.0), samples(4), [], TrainingSettings(epochs=1, noise=0.1))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_batch_holds_a_single_subject() -> None:
    seen: list[int] = []

    class Watched(Mean):
        def read_out(self, output: Tensor) -> Tensor:
            seen.append(output.shape[0])
            return super().read_out(output)

    predictor = Watched()
    train_epochs(predictor.build(SHAPE), Regression(predictor, 1.0, 0.0), samples(9), [], TrainingSettings(epochs=1))
    assert sorted(seen) == [4, 5]


def test_a_learning_rate_that_diverges_is_told_in_one_line() -> None:
    settings = TrainingSettings(epochs=30)
    object.__setattr__(settings, "learning_rate", 1e30)  # beyond what may be asked for, so that it surely diverges
    with pytest.raises(InterpbenchError, match="Training diverged in epoch"):
        trained(settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs of TrainingSettings must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate of TrainingSettings must be above 0"),
        ({"schedule": "cosine"}, "must be one of step, onecycle"),
        ({"flip": 1.5}, "must be at most 1"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainingSettings(**values)
