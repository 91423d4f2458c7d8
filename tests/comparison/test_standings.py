"""Ahead, tied, behind or failing: how a map stands in one question, by its tests against the best and the floors."""

from __future__ import annotations

from typing import Any

import pytest

from interpbench.comparison.standings import deciding, questions, state_of

NAMES = ("a", "b", "a+blur", "sobel", "template")


def entered(name: str) -> dict[str, Any]:
    kind = "floor" if name in ("sobel", "template") else "method"
    return {"name": name, "method": name, "kind": kind, "blurred": "+" in name, "template": name == "template"}


def measure(family: str, direction: str = "higher", **other: Any) -> dict[str, Any]:
    base = {"name": "m", "metric": "m", "unit": "", "direction": direction, "help": "", "family": family, "leads": 1}
    return base | other


def benchmark(asked: dict[str, Any], means: dict[str, float], apart: float = 0.05) -> dict[str, Any]:
    """A benchmark whose test distinguishes two means that differ by more than `apart`."""
    names = list(means)
    sign = 1 if asked["direction"] == "higher" else -1
    pairs = [
        {
            "a": one,
            "b": other,
            "n": 40,
            "p_holm": 0.001 if abs(means[one] - means[other]) > apart else 1.0,
            "effect": 1.0 if means[one] > means[other] else -1.0,
        }
        for at, one in enumerate(names)
        for other in names[at + 1 :]
    ]
    figures = {
        name: {"mean": mean, "interval": [mean - 0.01, mean + 0.01], "n": 40, "mean_rank": 1.0}
        for name, mean in means.items()
    }
    best = sorted(names, key=lambda name: -sign * means[name])[:1]
    result = {"n": 40, "methods": figures, "pairs": pairs, "best": best}
    return {"methods": [entered(name) for name in NAMES], "measures": [asked], "results": {"m": result}}


def states(asked: dict[str, Any], means: dict[str, float]) -> dict[str, str]:
    return {name: state_of(benchmark(asked, means), asked, name) for name in NAMES}


QUALITY = {
    "the best is ahead, one below it and above the floors is behind, one at a floor fails": (
        {"a": 0.9, "b": 0.7, "sobel": 0.5},
        {"a": "ahead", "b": "behind", "sobel": "fails"},
    ),
    "two that are not distinguished are ahead together": (
        {"a": 0.9, "b": 0.88, "sobel": 0.5},
        {"a": "ahead", "b": "ahead", "sobel": "fails"},
    ),
    "not distinguished from the best nor from a floor is tied": (
        {"a": 0.52, "b": 0.3, "sobel": 0.5},
        {"a": "tied", "b": "fails", "sobel": "tied"},
    ),
    "a floor that wins leaves nobody ahead": (
        {"a": 0.5, "b": 0.3, "sobel": 0.9},
        {"a": "fails", "b": "fails", "sobel": "tied"},
    ),
    "a smoothed copy that wins is ahead and takes nothing from the others": (
        {"a": 0.8, "a+blur": 0.95, "sobel": 0.5},
        {"a": "ahead", "a+blur": "ahead", "sobel": "fails"},
    ),
    "without floors nobody is ahead or fails": ({"a": 0.9, "b": 0.7}, {"a": "tied", "b": "behind"}),
    "who has no value is not measured": ({"a": 0.9, "sobel": 0.5}, {"a": "ahead", "b": "unmeasured"}),
}


@pytest.mark.parametrize("family", ["localisation", "person", "faithfulness", "other"])
@pytest.mark.parametrize("kind", QUALITY)
def test_where_only_a_right_map_can_win_the_best_and_the_floors_decide(kind: str, family: str) -> None:
    means, expected = QUALITY[kind]
    for direction, sign in (("higher", 1), ("lower", -1)):
        found = states(measure(family, direction), {name: sign * mean for name, mean in means.items()})
        assert {name: found[name] for name in expected} == expected


def test_one_map_for_all_is_a_floor_for_a_person_only() -> None:
    means = {"a": 0.9, "sobel": 0.5, "template": 0.9}
    assert states(measure("localisation"), means)["a"] == "ahead"
    assert states(measure("person"), means)["a"] == "tied"


@pytest.mark.parametrize(("chance", "state"), [(None, "ahead"), (0.8, "ahead"), (0.895, "tied"), (0.95, "tied")])
def test_the_whole_interval_must_be_above_chance(chance: float | None, state: str) -> None:
    assert states(measure("localisation", chance=chance), {"a": 0.9, "sobel": 0.5})["a"] == state


def test_a_map_of_fewer_than_half_of_the_subjects_has_no_place() -> None:
    asked = measure("localisation")
    found = benchmark(asked, {"a": 0.9, "b": 0.8, "sobel": 0.5})
    found["results"]["m"]["methods"]["a"]["n"] = 19
    assert [state_of(found, asked, name) for name in "ab"] == ["unmeasured", "ahead"]


def test_floors_can_win_robustness_so_another_method_must_be_worse() -> None:
    asked = measure("robustness")
    assert states(asked, {"a": 0.9, "b": 0.5, "sobel": 1.0}) | {"a+blur": "", "template": ""} == {
        "a": "ahead",
        "b": "behind",
        "sobel": "ahead",
        "a+blur": "",
        "template": "",
    }
    assert states(asked, {"a": 0.9, "b": 0.9})["a"] == "tied"


def test_a_map_that_stays_without_the_weights_fails_and_one_like_chance_is_ahead() -> None:
    found = states(measure("randomisation", "lower"), {"a": 0.005, "b": 0.3, "a+blur": 0.6})
    assert (found["a"], found["b"], found["a+blur"]) == ("ahead", "behind", "fails")


def test_a_map_is_cheap_up_to_twice_the_time_of_the_fastest_method_whatever_floors_take() -> None:
    found = states(measure("cost", "lower", unit="s"), {"a": 1.0, "b": 2.1, "sobel": 0.001})
    assert (found["a"], found["b"]) == ("ahead", "behind")


def test_the_six_questions_are_always_there_and_other_measures_only_if_there_are_some() -> None:
    six = ["localisation", "faithfulness", "person", "robustness", "randomisation", "cost"]
    assert questions(benchmark(measure("localisation"), {"a": 1.0})) == six
    assert questions(benchmark(measure("other"), {"a": 1.0})) == [*six, "other"]
    assert deciding(benchmark(measure("localisation"), {"a": 1.0}), "person") == []
