"""Who takes part in a benchmark: names, options by name, and blurred copies of maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interpbench import Explainer, Measure, Metric, option
from interpbench.errors import InterpbenchError, UsageError
from interpbench.pipeline.benchmarking.contestants import (
    BLURRED,
    Contestant,
    enter,
    named_methods,
    named_metrics,
    options_by_name,
    smoothed,
)


@dataclass(frozen=True, kw_only=True)
class Plain(Explainer):
    size: int = option(1, "size")
    seed: int = option(0, "seed")

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0]


class Floor(Plain):
    floor: ClassVar[bool] = True


class Template(Plain):
    floor: ClassVar[bool] = True
    template: ClassVar[str | None] = "size"


class Signed(Plain):
    signed: ClassVar[bool] = True
    learned: ClassVar[bool] = True


class Broken:
    """No explainer and no metric."""


@dataclass(frozen=True, kw_only=True)
class Two(Metric):
    measures = tuple(
        Measure(name=name, unit="", direction=None, help="help") for name in ("first_of_two", "second_of_two")
    )

    def measure(self, case: Any) -> Any:
        return {}


class One(Two):
    measures = (Measure(name="only", unit="", direction=None, help=""),)


@pytest.fixture
def offered(toy_plugin: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing is installed but a few toys, one method and one metric of which are broken."""
    for kind in (Plain, Floor, Template, Signed, Broken):
        toy_plugin.offer("explainer", f"toy{kind.__name__.lower()}", kind)
    for name, metric in {"toytwo": Two, "toyone": One, "toybad": Broken}.items():
        toy_plugin.offer("metric", name, metric)
    point = EntryPoint("toy", toy_plugin.__name__, "interpbench")
    monkeypatch.setattr("interpbench.host.registry.entry_points", lambda group: [point])
    return toy_plugin


# Names


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["toyplain"], ["toyplain"]),
        (["toyfloor", "toyplain"], ["toyplain", "toyfloor"]),
        (["toyplain", "toysigned", "toyplain"], ["toyplain", "toysigned"]),
        (["toyfloor", "toyfloor"], ["toyfloor"]),
    ],
    ids=["one", "floors come last", "one named twice", "a floor named twice"],
)
def test_methods_take_part_once_in_the_order_asked_for_and_floors_after(
    words: list[str], expected: list[str], offered: Any
) -> None:
    assert named_methods(words, floors=False) == expected


def test_floors_join_unless_they_are_not_wanted_and_all_brings_every_method(offered: Any, caplog: Any) -> None:
    assert named_methods(["toyplain"], floors=False) == ["toyplain"]
    assert named_methods(["toyplain"], floors=True) == ["toyplain", "toyfloor", "toytemplate"]
    assert named_methods(["toysigned", "all"], floors=False) == ["toysigned", "toyplain"]
    assert "excluded: " in caplog.text and "toybroken" in caplog.text
    assert named_methods(["all"], floors=True) == ["toyplain", "toysigned", "toyfloor", "toytemplate"]


@pytest.mark.parametrize("words", [["toynobody"], ["toyplain", "toyplane"], ["toybroken"], []])
def test_a_method_that_is_not_there_or_broken_is_refused_by_name(words: list[str], offered: Any) -> None:
    with pytest.raises(InterpbenchError, match=r"toynobody|Did you mean 'toyplain'|toybroken|at least one"):
        named_methods(words, floors=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["toytwo"], ["toytwo"]),
        (["second_of_two"], ["toytwo"]),
        (["first_of_two", "toytwo", "second_of_two"], ["toytwo"]),
        (["only", "toytwo", "toyone"], ["toyone", "toytwo"]),
    ],
)
def test_a_metric_is_named_by_itself_or_by_any_of_its_measures(
    words: list[str], expected: list[str], offered: Any
) -> None:
    assert named_metrics(words) == expected


def test_an_unknown_metric_is_refused_with_a_likely_name(offered: Any) -> None:
    with pytest.raises(UsageError, match=r"Unknown metric or measure 'first_of_too'\. Did you mean 'first_of_two'"):
        named_metrics(["first_of_too"])
    with pytest.raises(UsageError, match="at least one metric"):
        named_metrics([])
    assert named_metrics(["all", "toytwo"]) == ["toybad", "toyone", "toytwo"]


# Options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, {}),
        ({"a.box": "8"}, {"a": {"box": "8"}}),
        ({"a.box": "8", "b.n": 2, "a.r": 0}, {"a": {"box": "8", "r": 0}, "b": {"n": 2}}),
        ({"a": {"box": "8"}, "a.r": 0}, {"a": {"box": "8", "r": 0}}),
        ({"a": {}}, {}),
        ({"a.x.y": 1}, {"a": {"x.y": 1}}),
    ],
)
def test_options_go_to_the_method_before_the_first_point(words: dict[str, Any], expected: dict[str, Any]) -> None:
    assert options_by_name(words, ["a", "b"]) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("box", "must be METHOD.OPTION=value"),
        (".box", "METHOD"),
        ("a.", "METHOD"),
        ("c.box", "'c' is not in this benchmark"),
    ],
)
def test_an_option_of_nobody_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options_by_name({word: 1}, ["a", "b"])


# One row of the table


def test_a_contestant_says_what_it_is_and_its_copy_that_it_is_one(offered: Any) -> None:
    one = enter("toysigned", {"size": "3"}, 7)
    assert (one.kind, one.signed, one.explainer.size, one.explainer.seed) == ("method", True, 3, 7)
    copy = one.blurred(1.5)
    assert (copy.name, copy.method, copy.blur) == ("toysigned" + BLURRED, "toysigned", 1.5)
    told, other = one.describe(), copy.describe()
    assert {name for name in told if told[name] != other[name]} == {"name", "blurred", "signed"}
    assert (other["blurred"], other["signed"], told["learned"]) == (True, False, True)
    assert told["options"] == {"size": 3, "seed": 7}
    assert enter("toyfloor", {}, 0).describe()["kind"] == "floor"
    assert [enter(name, {}, 0).describe()["template"] for name in ("toyfloor", "toytemplate")] == [False, True]


def contestant(blur: float) -> Contestant:
    return Contestant(name="x", method="x", explainer=Plain(), distribution="", blur=blur)


def test_a_map_is_entered_as_it_is_and_by_a_copy_smoothed() -> None:
    map, brain = torch.randn(4, 5, 6), torch.ones(4, 5, 6, dtype=torch.bool)
    assert contestant(0).finished(map, brain) is map
    assert torch.equal(contestant(1.0).finished(map, brain), smoothed(map, brain, 1.0))


# Smoothing


def by_hand(map: np.ndarray, brain: np.ndarray, sd: float) -> np.ndarray:
    """Weighted by a Gaussian of the distance, over the brain's voxels, up to four SD along each axis."""
    places = np.argwhere(brain)
    reach = int(4 * sd + 0.5)
    found = np.zeros(map.shape)
    for place in places:
        apart = places - place
        weight = np.exp(-(apart**2).sum(axis=1) / (2 * sd**2)) * (np.abs(apart) <= reach).all(axis=1)
        found[tuple(place)] = (weight * np.abs(map[brain])).sum() / weight.sum()
    return found


@pytest.mark.parametrize("sd", [0.6, 1.0, 2.0])
def test_smoothing_is_the_weighted_mean_over_the_brain_alone(sd: float) -> None:
    random = np.random.default_rng(0)
    map, brain = random.normal(size=(5, 6, 7)), random.random((5, 6, 7)) < 0.7
    found = smoothed(torch.from_numpy(map).float(), torch.from_numpy(brain), sd).numpy()
    assert found == pytest.approx(by_hand(map, brain, sd), rel=1e-4, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0.3, 3), st.floats(-5, 5))
def test_a_constant_stays_constant_and_nothing_comes_from_outside(seed: int, sd: float, value: float) -> None:
    random = np.random.default_rng(seed)
    brain = torch.from_numpy(random.random((4, 5, 6)) < 0.5)
    map = torch.where(brain, torch.tensor(value), torch.tensor(1e6))
    found = smoothed(map, brain, sd)
    assert torch.allclose(found[brain], torch.tensor(abs(value)), rtol=1e-5, atol=1e-7)
    assert not found[~brain].any()
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    "turn", [lambda one: one.flip(0), lambda one: one.permute(2, 0, 1), lambda one: one.flip(1, 2)]
)
def test_smoothing_turns_with_the_volume(turn: Callable[[torch.Tensor], torch.Tensor]) -> None:
    map, brain = torch.randn(4, 5, 6), torch.rand(4, 5, 6) < 0.8
    assert torch.allclose(turn(smoothed(map, brain, 1.2)), smoothed(turn(map), turn(brain), 1.2), atol=1e-6)
