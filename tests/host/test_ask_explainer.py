"""Maps of several subjects at once: each has its own seed, fails alone, and is halved where memory runs out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interpbench import Explainer, option
from interpbench.doubts import MEMORY
from interpbench.errors import InterpbenchError, PluginError, ResourceError
from interpbench.host.ask_explainer import Explained, described, explained, maps_of, subject_seed
from interpbench.host.untouched import remembered
from interpbench.testing.toys import linear_predictor

SHAPE = (2, 3, 4)
SUBJECTS = ["a", "b", "c", "d", "e"]


@dataclass(frozen=True, kw_only=True)
class Scripted(Explainer):
    """Runs `deed(predictor, volumes)`, and notes how many volumes it was given each time."""

    deed: Any = None
    batch_size: int = 1
    calls: list[int] = field(default_factory=list)

    def explain(self, predictor: Any, volumes: Tensor) -> Any:
        self.calls.append(len(volumes))
        return self.deed(self, volumes)


@dataclass(frozen=True, kw_only=True)
class Seeded(Explainer):
    """Says with which seed it was asked."""

    seed: int = option(0, "seed")

    def explain(self, predictor: Any, volumes: Tensor) -> Tensor:
        return torch.full((len(volumes), *SHAPE), float(self.seed % 9973)) + torch.arange(4.0)


@pytest.fixture
def predictor() -> Any:
    return linear_predictor(torch.ones(SHAPE))


@pytest.fixture
def volumes() -> Tensor:
    return torch.randn(5, 1, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def asked(predictor: Any, volumes: Tensor) -> Callable[..., list[Explained | InterpbenchError]]:
    """`asked(explainer)`: what comes of five subjects."""

    def asked(explainer: Explainer, **settings: Any) -> list[Explained | InterpbenchError]:
        return explained(explainer, predictor, volumes, SUBJECTS, "method", 3, **settings)

    return asked


def size_of(volumes: Tensor) -> Tensor:
    return volumes[:, 0].abs()


def fails_for(number: int, error: type[Exception]) -> Callable[[Any, Tensor], Tensor]:
    """A deed that fails wherever it is given the third of the five volumes, or more than some."""

    def deed(explainer: Any, volumes: Tensor) -> Tensor:
        if len(volumes) > number:
            raise error("CUDA out of memory" if error is RuntimeError else "odd")
        return size_of(volumes)

    return deed


# Seeds


@pytest.mark.parametrize("subject", ["01", "é", "a:b", "", "x" * 500])
def test_a_subjects_seed_is_31_bits_of_the_hash_of_seed_label_and_method(subject: str) -> None:
    expected = int(hashlib.sha256(f"7:{subject}:m".encode()).hexdigest()[:8], 16) // 2
    assert subject_seed(7, subject, "m") == expected < 2**31


def test_seeds_differ_by_run_subject_and_method_and_are_spread_evenly() -> None:
    seeds = {subject_seed(run, f"{at:02}", way) for run in range(3) for at in range(40) for way in ("x", "y")}
    assert len(seeds) == 240
    assert np.mean(list(seeds)) / 2**31 == pytest.approx(0.5, abs=0.08)


def test_a_method_with_a_seed_gets_each_subjects_own_and_keeps_its_own(asked: Callable[..., Any]) -> None:
    explainer = Seeded(seed=11)
    found = [one.map[0, 0, 0] for one in asked(explainer)]
    assert found == [subject_seed(3, subject, "method") % 9973 for subject in SUBJECTS]
    assert explainer.seed == 11


def test_the_global_generators_begin_at_the_subjects_seed_and_go_on_as_if_nobody_had_drawn(
    asked: Callable[..., Any],
) -> None:
    def draws(explainer: Any, volumes: Tensor) -> Tensor:
        drawn = torch.tensor([random.random(), np.random.rand(), torch.rand(1).item()])
        return size_of(volumes) + drawn.sum()

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first = torch.stack([one.map for one in asked(Scripted(deed=draws))])
    random.random()
    torch.rand(5)
    second = torch.stack([one.map for one in asked(Scripted(deed=draws))])
    assert torch.equal(first, second)
    random.setstate(before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    torch.set_rng_state(before[2])


# One that fails


def test_the_one_that_fails_fails_alone_and_the_others_have_the_maps_of_a_batch(
    asked: Callable[..., Any], volumes: Tensor
) -> None:
    def deed(explainer: Any, given: Tensor) -> Tensor:
        if any(torch.equal(one, volumes[2]) for one in given):
            raise ValueError("this one")
        return size_of(given)

    explainer = Scripted(deed=deed)
    found = asked(explainer)
    assert explainer.calls == [5, 1, 1, 1, 1, 1]
    assert [isinstance(one, Explained) for one in found] == [True, True, False, True, True]
    assert isinstance(found[2], PluginError) and "this one" in str(found[2])
    for at in (0, 1, 3, 4):
        assert torch.equal(found[at].map, volumes[at, 0].abs()) and found[at].notes == ()


def test_maps_alone_come_in_the_order_of_the_subjects(predictor: Any, volumes: Tensor) -> None:
    found = maps_of(Scripted(deed=lambda _, given: size_of(given)), predictor, volumes, SUBJECTS, "m", 0)
    assert torch.equal(torch.stack(found), volumes[:, 0].abs())


# Too little memory


def test_where_memory_runs_out_a_group_is_halved_until_it_fits_and_says_so(
    asked: Callable[..., Any], volumes: Tensor
) -> None:
    explainer = Scripted(deed=fails_for(2, RuntimeError))
    found = asked(explainer)
    assert explainer.calls == [5, 2, 3, 1, 2]
    assert torch.equal(torch.stack([one.map for one in found]), volumes[:, 0].abs())
    assert [len(one.notes) for one in found] == [1, 1, 2, 2, 2]
    assert str(found[4].notes[0]).startswith("out of memory with 5 subjects at once")
    assert {note.kind for one in found for note in one.notes} == {MEMORY}


def test_one_subject_that_does_not_fit_is_an_error_of_resources_and_the_others_go_on(
    asked: Callable[..., Any],
) -> None:
    found = asked(Scripted(deed=fails_for(0, MemoryError)))
    assert {type(one) for one in found} == {ResourceError}
    assert str(found[0]) == "method 'method' ran out of memory on 1 volume of 2x3x4 at once."


def test_a_methods_batches_are_halved_before_its_subjects_are(asked: Callable[..., Any]) -> None:
    def deed(explainer: Any, volumes: Tensor) -> Tensor:
        if explainer.batch_size > 3:
            raise MemoryError
        return size_of(volumes)

    found = asked(Scripted(deed=deed, batch_size=16))
    assert [str(one.notes[0]) for one in found] == [
        "out of memory with batch_size=4; the map was made with 2"  # 16, 8, 4, and then 2
    ] * 5
    assert {len(one.notes) for one in found} == {1}


def test_batches_of_one_that_do_not_fit_either_are_said_to_have_been_tried(predictor: Any, volumes: Tensor) -> None:
    explainer = Scripted(deed=fails_for(0, MemoryError), batch_size=4)
    (found,) = explained(explainer, predictor, volumes[:1], ["a"], "m", 0)
    assert str(found).endswith("at once. Its batch_size was already 1.")
    assert len(explainer.calls) == 3


@pytest.mark.parametrize("size", ["many", 1, 0, None])
def test_a_batch_size_that_cannot_be_halved_is_left_alone(size: Any, predictor: Any, volumes: Tensor) -> None:
    explainer = Scripted(deed=fails_for(0, MemoryError), batch_size=size)
    (found,) = explained(explainer, predictor, volumes[:1], ["a"], "m", 0)
    assert isinstance(found, ResourceError) and "batch_size" not in str(found)
    assert explainer.calls == [1]


# What is put back


@pytest.mark.parametrize("once", [True, False], ids=["one copy for all", "a copy for each"])
def test_a_changed_network_is_restored_and_its_maps_are_refused(
    once: bool, asked: Callable[..., Any], predictor: Any
) -> None:
    def deed(explainer: Any, volumes: Tensor) -> Tensor:
        next(predictor.module.parameters()).data.add_(1)
        return size_of(volumes)

    before = [tensor.clone() for tensor in predictor.module.parameters()]
    put_back = remembered(predictor.module) if once else None
    found = asked(Scripted(deed=deed), put_back=put_back)
    assert {str(one) for one in found} == {
        "method 'method' changed the network or its input: both are restored, and its map is refused."
    }
    assert all(torch.equal(one, two) for one, two in zip(before, predictor.module.parameters(), strict=True))
    assert all(isinstance(one, Explained) for one in asked(Scripted(deed=lambda _, given: size_of(given))))


# Extras, notes and figures


class Telling(Explainer):
    def explain(self, predictor: Any, volumes: Tensor) -> Tensor:
        return size_of(volumes)

    def explain_with_extras(self, predictor: Any, volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        return size_of(volumes), {"signed": volumes[:, 0], "double": 2 * volumes[:, 0]}

    def map_warnings(self) -> Any:
        return (7, "odd")

    def map_figures(self) -> Any:
        return {"error": np.float32(0.5), 3: True}


def test_every_subject_has_its_own_extras_and_the_notes_and_figures_of_its_batch(
    asked: Callable[..., Any], volumes: Tensor
) -> None:
    for one, volume in zip(asked(Telling()), volumes, strict=True):
        assert torch.equal(one.extras["signed"], volume[0]) and torch.equal(one.extras["double"], 2 * volume[0])
        assert one.notes == ("7", "odd")
        assert one.measured == {"error": 0.5, "3": 1.0}


# What a method says of itself


def describing(found: Any) -> Explainer:
    class Describing(Telling):
        def describe(self, predictor: Any, volumes: Tensor) -> Any:
            return found() if callable(found) else found

    return Describing()


@pytest.mark.parametrize(
    ("told", "expected"),
    [({}, {}), ({"layer": "conv", 3: (1, 2)}, {"layer": "conv", "3": [1, 2]}), ([("a", None)], {"a": None})],
)
def test_a_description_comes_back_as_json_has_it(told: Any, expected: Any, predictor: Any, volumes: Tensor) -> None:
    assert described(describing(told), predictor, volumes, "m") == expected


@pytest.mark.parametrize("told", [7, {"a": float("nan")}, {"a": torch.ones(1)}, {("a", "b"): 1}, "words"], ids=repr)
def test_a_description_that_is_no_json_is_refused(told: Any, predictor: Any, volumes: Tensor) -> None:
    with pytest.raises(PluginError, match="method 'm' must describe itself with JSON values"):
        described(describing(told), predictor, volumes, "m")


def test_a_description_that_fails_is_empty_and_told(
    predictor: Any, volumes: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    assert described(describing(lambda: 1 / 0), predictor, volumes, "m") == {}
    assert "method 'm' failed to describe itself: " in caplog.text
