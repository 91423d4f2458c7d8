"""A learned method is fitted again once for each network and kept on disk; network and log stay as they were."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench import Explainer
from interpbench.errors import PluginError
from interpbench.pipeline.benchmarking.refits import STATE, Refits
from interpbench.testing import linear_predictor

SHAPE = (3, 4, 5)


class Counting(Explainer):
    """Learns a random number and the network's weight; counts its fits in a list that all copies share."""

    learned = True

    def __init__(self, fits: list[Any], state: dict[str, torch.Tensor] | None = None, fault: str = "") -> None:
        self.fits, self.found, self.fault = fits, state or {}, fault

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0] * self.found["drawn"]

    def fit(self, predictor: Any, training: Any, validation: Any, workspace: Path | None = None) -> Explainer:
        logging.getLogger("interpbench").warning("a network without skill")
        self.fits.append((predictor, list(training), list(validation), workspace))
        if workspace is not None:
            workspace.mkdir(parents=True)
            (workspace / "epoch").write_text("half")
        for parameter in predictor.module.parameters():
            parameter.data.add_(1)
        if self.fault:
            raise ValueError(self.fault)
        return Counting(self.fits, {"drawn": torch.rand(2), "table": torch.arange(6).reshape(2, 3).t()})

    def state(self) -> dict[str, torch.Tensor]:
        return self.found

    def with_state(self, state: Any) -> Explainer:
        if self.fault == "state":
            raise KeyError("drawn")
        return Counting(self.fits, dict(state))


class Homeless(Counting):
    """Takes no workspace."""

    def fit(self, predictor: Any, training: Any, validation: Any) -> Explainer:  # type: ignore[override]
        return super().fit(predictor, training, validation)


def refits(folder: Path, number: int = 2, seed: int = 0) -> Refits:
    return Refits(folder=folder, training=[object()] * number, validation=[], seed=seed)  # type: ignore[list-item]


def network(value: float = 1.0) -> Any:
    return linear_predictor(torch.full(SHAPE, value))


def test_a_method_is_fitted_once_for_each_network_and_name(tmp_path: Path) -> None:
    fits: list[Any] = []
    made, method = refits(tmp_path), Counting(fits)
    first = made.of(method, network(), "m")
    assert made.of(method, network(), "m") is first and len(fits) == 1
    assert made.of(method, network(2.0), "m") is not first and len(fits) == 2
    made.of(method, network(), "another")
    assert len(fits) == 3 and len(list(tmp_path.glob(f"*/{STATE}"))) == 3


def test_another_process_takes_the_fit_from_disk_with_the_same_bits(tmp_path: Path) -> None:
    fits: list[Any] = []
    first = refits(tmp_path).of(Counting(fits), network(), "m")
    second = refits(tmp_path).of(Counting(fits), network(), "m")
    assert len(fits) == 1 and second is not first
    assert {name: tensor.tolist() for name, tensor in second.state().items()} == {
        name: tensor.tolist() for name, tensor in first.state().items()
    }
    assert second.state()["table"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(("number", "seed"), [(3, 0), (2, 1)])
def test_other_numbers_of_people_or_another_seed_are_another_fit(number: int, seed: int, tmp_path: Path) -> None:
    fits: list[Any] = []
    refits(tmp_path).of(Counting(fits), network(), "m")
    refits(tmp_path, number, seed).of(Counting(fits), network(), "m")
    assert len(fits) == 2


def test_a_fit_follows_from_the_seed_and_not_from_what_was_drawn_before(tmp_path: Path) -> None:
    drawn = []
    for place, before in enumerate((11, 12)):
        torch.manual_seed(before)
        drawn.append(refits(tmp_path / str(place), seed=5).of(Counting([]), network(), "m").state()["drawn"])
    other = refits(tmp_path / "other", seed=6).of(Counting([]), network(), "m").state()["drawn"]
    assert torch.equal(*drawn) and not torch.equal(drawn[0], other)


@pytest.mark.parametrize("fault", ["", "it diverged"])
def test_network_random_state_and_log_are_as_they_were(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictor, log = network(), logging.getLogger("interpbench")
    before = [parameter.clone() for parameter in predictor.module.parameters()]
    random, level = torch.get_rng_state(), log.level
    try:
        refits(tmp_path).of(Counting([], fault=fault), predictor, "m")
    except PluginError:
        assert fault
    assert all(torch.equal(one, other) for one, other in zip(before, predictor.module.parameters(), strict=True))
    assert torch.equal(random, torch.get_rng_state()) and log.level == level
    assert "without skill" not in caplog.text


@pytest.mark.parametrize("kind", [Counting, Homeless])
def test_checkpoints_have_a_place_where_the_method_takes_one_and_are_gone_at_the_end(
    kind: type[Counting], tmp_path: Path
) -> None:
    fits: list[Any] = []
    refits(tmp_path).of(kind(fits), network(), "m")
    assert (fits[0][3] is not None) is (kind is Counting)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [STATE]


@pytest.mark.parametrize(
    ("fault", "said"), [("it diverged", "failed while it was fitted again"), ("state", "cannot use its state in")]
)
def test_a_method_that_fails_is_named_and_an_unfinished_fit_is_made_again(
    fault: str, said: str, tmp_path: Path
) -> None:
    fits: list[Any] = []
    if fault == "state":
        refits(tmp_path).of(Counting(fits), network(), "größe")
    with pytest.raises(PluginError, match=f"method 'größe' {said}") as caught:
        refits(tmp_path).of(Counting(fits, fault=fault), network(), "größe")
    assert "\n" not in str(caught.value)
    assert len(list(tmp_path.glob(f"*/{STATE}"))) == (fault == "state") and not list(tmp_path.glob(".*.lock"))
