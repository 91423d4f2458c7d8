"""Training a classifier: what it minimises, what it keeps."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import NetworkPredictor, Sample
from interpbench.errors import InputError
from interpbench.training.cross_entropy import CrossEntropy
from interpbench.training.epochs import Trained, TrainingSettings, read_samples_of, train_epochs

SHAPE = (6, 7, 8)


class Mean(NetworkPredictor):
    """Scores that are lines through the mean intensity."""

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(1, self.outputs))


def samples(number: int, seed: int = 0, classes: int = 2) -> list[Sample]:
    """Each class is brighter by one than the class before it."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for index in range(number):
        volume = torch.full((1, *SHAPE), index % classes + 0.4 * float(torch.rand(1, generator=random)))
        made.append(Sample(f"{index:03d}", volume, torch.ones(SHAPE, dtype=torch.bool), float(index % classes)))
    return made


def trained(classes: tuple[str, ...] = ("dark", "light"), validation: int = 6, epochs: int = 40) -> Trained:
    predictor = Mean().aimed_at("group", classes)
    settings = TrainingSettings(epochs=epochs, learning_rate=0.3, milestones_every=20, batch_size=6)
    number = len(classes)
    return train_epochs(
        predictor.build(SHAPE),
        CrossEntropy(predictor),
        samples(18, 0, number),
        samples(validation, 1, number),
        settings,
    )


def test_the_loss_is_minus_the_log_probability_of_the_true_class() -> None:
    goal = CrossEntropy(Mean().aimed_at("group", ("a", "b", "c")))
    scores, some = torch.randn(4, 3), samples(4, 0, 3)
    expected = -sum(scores.log_softmax(1)[row, int(one.target)] for row, one in enumerate(some)) / 4
    torch.testing.assert_close(goal.loss(goal.read(scores), some), expected)


def test_of_one_output_the_loss_is_the_binary_cross_entropy_of_its_sigmoid() -> None:
    goal = CrossEntropy(Mean().aimed_at("group", ("a", "b")))
    output, some = torch.randn(4, 1), samples(4)
    truth = torch.tensor([one.target for one in some])
    expected = F.binary_cross_entropy_with_logits(output[:, 0], truth)
    torch.testing.assert_close(goal.loss(goal.read(output), some), expected)


@pytest.mark.parametrize("classes", [("dark", "light"), ("dark", "grey", "light")])
def test_it_tells_classes_apart_that_differ_in_brightness(classes: tuple[str, ...]) -> None:
    result = trained(classes, epochs=60)
    assert result.curve[-1]["validation_accuracy"] == 1.0
    assert result.curve[-1]["training_loss"] < result.curve[0]["training_loss"] / 2


def test_the_kept_weights_are_those_of_the_epoch_with_the_lowest_validation_loss() -> None:
    result = trained()
    scores = [row["validation_loss"] for row in result.curve]
    goal = CrossEntropy(Mean().aimed_at("group", ("dark", "light")))
    read: Tensor = read_samples_of(goal, result.module, samples(6, 1), TrainingSettings())
    assert result.best_epoch == 1 + scores.index(min(scores))
    assert goal.validated(read, samples(6, 1))["validation_loss"] == pytest.approx(min(scores))


def test_without_a_validation_split_the_last_epoch_is_kept() -> None:
    result = trained(validation=0, epochs=3)
    assert result.best_epoch == 3
    assert all(math.isnan(row["validation_loss"]) for row in result.curve)


def test_a_network_with_another_number_of_outputs_is_refused() -> None:
    predictor = Mean().aimed_at("group", ("a", "b", "c"))
    with pytest.raises(InputError, match="has 1 output, but there are 3 classes"):
        train_epochs(Mean().build(SHAPE), CrossEntropy(predictor), samples(6), [], TrainingSettings(epochs=1))
