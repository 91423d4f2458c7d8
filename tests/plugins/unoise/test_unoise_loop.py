"""Training by epochs: who comes when, which epoch is kept, what an interruption and a divergence leave."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interpbench import InputError, Sample
from interpbench.errors import InterpbenchError
from interpbench_unoise.batches import Batch
from interpbench_unoise.loop import Schedule, adam, train_by_epochs

PLAN = Schedule(
    epochs=4, batch_size=5, learning_rate=0.1, kind="step", milestones_every=2, patience=0, seed=3, clip=0.0
)


class Toy:
    """One weight that follows noisy targets, and all that its training was told."""

    def __init__(self, people: list[Sample], losses: list[float] | None = None) -> None:
        self.people, self.losses = people, losses
        self.network = nn.Linear(1, 1)
        nn.init.zeros_(self.network.weight)
        nn.init.zeros_(self.network.bias)
        self.asked: list[list[float]] = []
        self.noise: list[float] = []
        self.modes: list[tuple[str, bool]] = []
        self.remembered = [0.0]

    def step(self, batch: Batch, generator: torch.Generator) -> None:
        self.asked.append(batch.targets.tolist())
        self.modes.append(("step", self.network.training))
        noise = torch.randn(len(batch), generator=generator)
        self.noise += noise.tolist()
        self.remembered[0] = 0.5 * self.remembered[0] + float(noise.sum())
        seen = self.network(batch.targets[:, None] / 60 + noise[:, None])[:, 0]
        (seen - batch.targets / 60).square().mean().backward()

    def validate(self) -> dict[str, float]:
        self.modes.append(("validate", self.network.training))
        if self.losses is not None:
            return {"validation_loss": self.losses.pop(0)}
        return {"validation_loss": float(self.network.weight.detach().square().sum()), "other": self.remembered[0]}

    def train(self, plan: Schedule, checkpoint: Path | None = None) -> list[dict[str, Any]]:
        return train_by_epochs(
            self.network,
            self.people,
            plan,
            what="toy",
            device=torch.device("cpu"),
            step=self.step,
            validate=self.validate,
            checkpoint=checkpoint,
            remembered={"moments": self.remembered},
        )

    @property
    def weights(self) -> list[float]:
        return nn.utils.parameters_to_vector(self.network.parameters()).detach().tolist()


@pytest.fixture
def toy(people: list[Sample]) -> Callable[..., Toy]:
    return lambda losses=None: Toy(people, losses)


def plain(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in curve]


@pytest.mark.parametrize("batch_size", [1, 4, 5, 12, 100])
def test_every_subject_comes_once_an_epoch_in_batches_no_larger_than_asked(
    toy: Callable[..., Toy], people: list[Sample], batch_size: int
) -> None:
    training = toy()
    training.train(dataclasses.replace(PLAN, epochs=3, batch_size=batch_size))
    steps = math.ceil(len(people) / batch_size)
    assert len(training.asked) == 3 * steps
    sizes = [len(batch) for batch in training.asked]
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    everybody = sorted(sample.target for sample in people)
    for epoch in range(3):
        came = [target for batch in training.asked[epoch * steps : (epoch + 1) * steps] for target in batch]
        assert sorted(came) == pytest.approx(everybody, rel=1e-6)


def test_the_order_and_the_noise_differ_between_epochs_and_come_from_the_seed_alone(toy: Callable[..., Toy]) -> None:
    first, again, other = toy(), toy(), toy()
    for training, seed in ((first, 3), (again, 3), (other, 4)):
        torch.rand(seed)  # whatever the global random state
        training.train(dataclasses.replace(PLAN, seed=seed))
    assert first.asked == again.asked and first.noise == again.noise and first.weights == again.weights
    assert first.asked != other.asked and first.noise != other.noise
    assert first.asked[:3] != first.asked[3:6]
    assert first.noise[:12] != first.noise[12:24]


@pytest.mark.parametrize("seed", [-5, 0, 2**40, 2**63, 10**30])
def test_any_whole_number_is_a_seed(toy: Callable[..., Toy], seed: int) -> None:
    first, again = toy(), toy()
    for training in (first, again):
        training.train(dataclasses.replace(PLAN, epochs=1, seed=seed))
    assert first.noise == again.noise


@pytest.mark.parametrize("kind", ["step", "onecycle"])
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_cut_after_any_epoch_it_goes_on_to_the_same_bytes(
    toy: Callable[..., Toy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, cut: int
) -> None:
    plan, whole, killed, resumed = dataclasses.replace(PLAN, kind=kind), toy(), toy(), toy()
    expected = whole.train(plan)
    saved, written = torch.save, []

    def save_and_die(*arguments: Any) -> None:
        if len(written) == cut:  # in the next epoch, before its checkpoint is whole
            raise KeyboardInterrupt
        written.append(saved(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_and_die)
        if cut < 4:
            with pytest.raises(KeyboardInterrupt):
                killed.train(plan, tmp_path / "toy.pt")
        else:
            killed.train(plan, tmp_path / "toy.pt")
    curve = resumed.train(plan, tmp_path / "toy.pt")
    assert plain(curve) == plain(expected) and resumed.weights == whole.weights
    assert resumed.remembered == whole.remembered
    assert resumed.asked == whole.asked[3 * cut :]


def test_a_finished_training_is_not_done_again_and_its_best_epoch_comes_back(
    toy: Callable[..., Toy], tmp_path: Path
) -> None:
    first, second = toy([3.0, 1.0, 2.0, 5.0]), toy([])
    first.train(PLAN, tmp_path / "toy.pt")
    assert [row["epoch"] for row in second.train(PLAN, tmp_path / "toy.pt")] == [1, 2, 3, 4]
    assert second.weights == first.weights and not second.asked


def test_a_damaged_checkpoint_is_told_of_and_training_begins_anew(
    toy: Callable[..., Toy], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, whole, again = tmp_path / "toy.pt", toy(), toy()
    whole.train(PLAN, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="interpbench"):
        again.train(PLAN, path)
    assert "toy.pt is damaged" in caplog.text
    assert again.weights == whole.weights and again.asked == whole.asked


def test_a_checkpoint_of_another_network_is_refused_by_name(toy: Callable[..., Toy], tmp_path: Path) -> None:
    path, other = tmp_path / "toy.pt", toy()
    toy().train(PLAN, path)
    other.network = nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"toy\.pt: .* of this training"):
        other.train(PLAN, path)


@pytest.mark.parametrize(
    ("losses", "best"),
    [([3.0, 2.0, 1.0, 4.0], 2), ([1.0, 2.0, 3.0, 4.0], 0), ([2.0, 1.0, 1.0, 3.0], 2), ([0.0, -1.0, -3.0, -2.0], 2)],
    ids=["third", "first", "the later of two alike", "below zero"],
)
def test_the_epoch_of_the_lowest_validation_loss_is_kept(
    toy: Callable[..., Toy], losses: list[float], best: int
) -> None:
    after = []
    for epochs in range(1, 5):
        training = toy([9.0] * (epochs - 1) + [0.0])  # the last one is the best, and so it is what remains
        training.train(dataclasses.replace(PLAN, epochs=epochs))
        after.append(training.weights)
    chosen = toy(list(losses))
    chosen.train(PLAN)
    assert chosen.weights == after[best] and after[best] not in [after[place] for place in range(4) if place != best]


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 3), (2, 4), (3, 6), (9, 6)])
def test_it_stops_after_so_many_epochs_without_a_lower_loss(
    toy: Callable[..., Toy], patience: int, epochs: int
) -> None:
    training = toy([3.0, 2.0, 2.5, 2.4, 1.0, 1.5])
    curve = training.train(dataclasses.replace(PLAN, epochs=6, patience=patience))
    assert [row["epoch"] for row in curve] == list(range(1, epochs + 1))


def test_it_learns_in_training_mode_and_is_judged_and_left_in_eval_mode(toy: Callable[..., Toy]) -> None:
    training = toy()
    training.train(PLAN)
    assert training.modes == ([("step", True)] * 3 + [("validate", False)]) * 4
    assert not training.network.training


@pytest.mark.parametrize("clip", [0.01, 0.1, 1e6])
def test_the_gradient_s_norm_stays_below_the_limit(
    toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch, clip: float
) -> None:
    norms: dict[float, list[float]] = {0.0: [], clip: []}
    step = torch.optim.Adam.step
    for limit, seen in norms.items():
        training = toy()

        def watched(self: torch.optim.Adam, *given: Any, seen=seen, training=training) -> Any:
            grads = [weights.grad.flatten() for weights in training.network.parameters()]
            seen.append(float(torch.cat(grads).norm()))
            return step(self, *given)

        monkeypatch.setattr(torch.optim.Adam, "step", watched)
        training.train(dataclasses.replace(PLAN, clip=limit, epochs=1))
    assert max(norms[clip]) <= clip * 1.0001
    if clip > max(norms[0.0]):
        assert norms[clip] == norms[0.0]
    else:
        assert norms[clip][0] == pytest.approx(clip, rel=1e-4)


def test_the_step_schedule_divides_the_rate_by_10_at_its_milestones(
    toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam, *given: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    toy().train(PLAN)
    assert rates == pytest.approx([0.1] * 6 + [0.01] * 6)
    rates.clear()
    toy().train(dataclasses.replace(PLAN, kind="onecycle"))
    assert max(rates) == pytest.approx(0.1, rel=0.01) and rates[0] < 0.01 and rates[-1] < 0.01


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_the_training_in_one_line(
    toy: Callable[..., Toy], tmp_path: Path, loss: float
) -> None:
    path = tmp_path / "toy.pt"
    with pytest.raises(InterpbenchError) as refused:
        toy([2.0, loss, 1.0, 1.0]).train(PLAN, path)
    words = f"The toy diverged in epoch 2: the validation loss is {loss}. Use a learning rate below 0.1."
    assert str(refused.value) == words
    resumed = toy([1.0, 1.0, 1.0])
    assert [row["validation_loss"] for row in resumed.train(PLAN, path)] == [2.0, 1.0, 1.0, 1.0]


def test_adam_goes_over_all_weights_at_the_rate_asked_for() -> None:
    network = nn.Linear(3, 2)
    (group,) = adam(network, 0.25).param_groups
    assert group["lr"] == 0.25 and len(group["params"]) == 2
