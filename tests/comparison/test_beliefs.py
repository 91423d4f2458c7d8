"""Which map to believe for where, how much and this person: every kind of outcome, from figures alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from interpbench.comparison.summary import summarise
from interpbench.comparison.table import table_of

Made = Callable[..., dict[str, Any]]
Levels = dict[str, float]
AUC: dict[str, Any] = {
    "name": "auc",
    "metric": "localisation",
    "unit": "",
    "direction": "higher",
    "help": "Chance.",
    "title": "Points at the truth (AUC)",
    "chance": 0.5,
    "family": "localisation",
    "leads": 1,
    "needs_truth": True,
}
OUTSIDE = AUC | {"name": "outside", "direction": "lower", "title": "Outside", "leads": 0, "needs_truth": False}
DELETION = AUC | {
    "name": "srg",
    "metric": "deletion",
    "unit": "{unit}",
    "chance": 0.0,
    "title": "Prediction changes (ROAD)",
    "family": "faithfulness",
    "needs_truth": False,
}
NOISE = DELETION | {
    "name": "noise",
    "metric": "noise",
    "title": "Noise elsewhere",
    "direction": "lower",
    "chance": None,
}
GAIN = AUC | {"name": "gain", "metric": "person", "title": "Person gain", "chance": 0.0, "family": "person"}
EVERY = [AUC, OUTSIDE, DELETION, NOISE, GAIN]


def summary(
    levels: dict[str, Levels], methods: list[dict[str, Any]], measures: list[dict[str, Any]] = EVERY, n: int = 40
) -> dict[str, Any]:
    """A benchmark whose methods have these means, with noise of SD 0.05."""
    drawn = np.random.default_rng(0)
    rows = [
        {"participant_id": f"sub-{at:03d}", "method": name, "measure": of, "value": level + 0.05 * one}
        for of, some in levels.items()
        for name, level in some.items()
        for at, one in enumerate(stats.zscore(drawn.normal(size=n)))
    ]
    return summarise(table_of(rows, [one["name"] for one in methods]), measures, methods, unit="years", resamples=199)


def answers(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["family"]: one for one in found["beliefs"]}


@pytest.fixture(scope="module")
def entered(method: Made, floor: Made, blurred: Made) -> list[dict[str, Any]]:
    template = floor("template") | {"template": True}
    return [
        method("a"),
        method("b"),
        method("c"),
        blurred("a"),
        blurred("b"),
        floor("sobel"),
        floor("random"),
        template,
    ]


FLOORS = {"sobel": 0.6, "random": 0.5}
WHERE = {
    "one winner": (
        {"a": 0.9, "b": 0.7, "c": 0.6},
        ["a"],
        "Where: believe the map of a. Points at the truth (AUC): 0.9 (95 % interval ",
        ", n = 40), better than every map that ignores the network.",
    ),
    "ties": (
        {"a": 0.9, "b": 0.899, "c": 0.7},
        ["a", "b"],
        "Where: believe the map of a or b; the benchmark cannot distinguish them. Points at the truth (AUC): 0.9 (",
        ", n = 40) for a, each better than every map that ignores the network.",
    ),
    "a floor among the best": (
        {"a": 0.601, "b": 0.55},
        [],
        "Where: no map can be believed. Points at the truth (AUC): at best 0.601 (95 % interval ",
        "for a, not shown to be better than sobel, which ignores the network.",
    ),
    "a floor wins": (
        {"a": 0.55, "b": 0.52},
        [],
        "Where: no map can be believed. Points at the truth (AUC): at best 0.55 (95 % interval ",
        "for a; sobel, which ignores the network, is better (0.6).",
    ),
}


@pytest.mark.parametrize("kind", WHERE)
def test_where_names_the_map_its_figure_with_interval_and_n_and_whether_it_beats_the_floors(
    kind: str, entered: list[dict[str, Any]]
) -> None:
    means, maps, start, end = WHERE[kind]
    found = answers(summary({"auc": means | FLOORS}, entered))["localisation"]
    assert (found["maps"], found["measure"]) == (maps, "auc")
    assert found["sentence"].startswith(start)
    assert found["sentence"].endswith(end)


def test_better_than_floors_but_not_than_chance_is_not_believed(entered: list[dict[str, Any]]) -> None:
    found = answers(summary({"auc": {"a": 0.5, "sobel": 0.4, "random": 0.3}}, entered))["localisation"]
    assert found["maps"] == []
    assert found["sentence"].endswith("for a, not shown to be better than chance (0.5).")


def test_a_smoothed_copy_that_wins_is_named_as_a_warning_and_not_believed_itself(entered: list[dict[str, Any]]) -> None:
    found = answers(summary({"auc": {"a": 0.8, "b": 0.7, "b+blur": 0.9, **FLOORS}}, entered))["localisation"]
    assert found["maps"] == ["a"]
    warned = "A smoothed copy is better than a: b+blur has 0.9. Smoothness alone can win points here."
    assert found["notes"] == [warned]


def test_one_map_for_all_may_point_as_well_but_never_follows_a_person(entered: list[dict[str, Any]]) -> None:
    same = {"a": 0.8, "b": 0.7, "template": 0.8, **FLOORS}
    found = answers(summary({"auc": same, "gain": same}, entered))
    assert found["localisation"]["maps"] == ["a"]
    assert found["localisation"]["notes"] == ["Not shown to be better than template, one map for all subjects: a."]
    assert found["person"]["maps"] == []
    assert found["person"]["sentence"].endswith(
        "for a, not shown to be better than template, which ignores the network."
    )


def test_this_person_is_answered_by_maps_that_beat_one_map_for_all(entered: list[dict[str, Any]]) -> None:
    levels = {"gain": {"a": 0.3, "b": 0.1, "template": 0.0, "sobel": 0.02, "random": 0.0}}
    found = answers(summary(levels, entered))["person"]
    assert found["maps"] == ["a"]
    assert found["sentence"].startswith("This person: believe the map of a. Person gain: 0.3 (95 % interval ")
    assert found["sentence"].endswith(
        "better than every map that ignores the network, and than one map for all subjects."
    )


def test_with_too_few_subjects_nothing_is_believed_however_large_the_difference(entered: list[dict[str, Any]]) -> None:
    found = answers(summary({"auc": {"a": 0.9, "b": 0.7, **FLOORS}}, entered, n=3))["localisation"]
    assert found["maps"] == []
    start = "Where: no map can be believed yet, because with 3 subjects no two maps can be distinguished."
    assert found["sentence"].startswith(start)


def test_one_method_beside_floors_is_enough_and_without_any_it_is_not(method: Made, floor: Made) -> None:
    with_floors = summary({"auc": {"a": 0.9, "sobel": 0.6}}, [method("a"), floor("sobel")])
    assert answers(with_floors)["localisation"]["maps"] == ["a"]
    alone = answers(summary({"auc": {"a": 0.9}}, [method("a")]))["localisation"]
    assert alone["maps"] == []
    assert alone["sentence"].endswith("for a; no map that ignores the network was measured beside it.")


def test_without_a_truth_where_and_this_person_say_what_is_missing(entered: list[dict[str, Any]]) -> None:
    found = answers(
        summary({"outside": {"a": 0.1, "b": 0.5, **FLOORS}, "srg": {"a": 3.0, "b": 2.0, **FLOORS}}, entered)
    )
    assert [one["sentence"] for one in found.values() if not one["measure"]] == [
        "Where: not measured, because no ground truth of this cohort is known.",
        "This person: not measured, because the cohort has no ground truth of each person.",
    ]
    assert found["faithfulness"]["maps"] == ["a"]
    assert "3 years (" in found["faithfulness"]["sentence"]


def test_a_stated_reason_is_repeated(method: Made) -> None:
    rows = [
        {"participant_id": f"sub-{at}", "method": "a", "measure": "gain", "value": None, "note": "one truth for all."}
        for at in range(3)
    ]
    found = answers(summarise(table_of(rows, ["a"]), EVERY, [method("a")], unit="years", resamples=9))
    assert found["person"]["sentence"] == "This person: not measured, because one truth for all."


def test_questions_without_a_measure_and_benchmarks_without_anybody_are_told_so(entered: list[dict[str, Any]]) -> None:
    only = answers(summary({"auc": {"a": 0.9, **FLOORS}}, entered, [AUC]))
    assert only["person"]["sentence"] == "This person: not measured, because no measure of this question was computed."
    nobody = answers(summary({}, []))
    assert [one["maps"] for one in nobody.values()] == [[], [], []]
    assert nobody["faithfulness"]["sentence"] == "How much: not measured, because no method has a value."


def test_the_measure_that_most_methods_have_decides_and_the_others_are_counted(entered: list[dict[str, Any]]) -> None:
    levels = {
        "srg": {"a": 9.0, "sobel": 1.0, "random": 0.0},
        "noise": {"a": 2.0, "b": 0.5, "c": 0.6, "sobel": 1.0, "random": 3.0},
    }
    found = answers(summary(levels, entered))["faithfulness"]
    assert (found["measure"], found["maps"]) == ("noise", ["b"])
    assert found["notes"] == ["Other measures of this question that put it ahead as well: 0 of 1."]
    levels["noise"]["b"] = 3.0
    levels["noise"]["c"] = 3.0
    found = answers(summary(levels, entered))["faithfulness"]
    assert found["maps"] == []
    assert found["notes"] == ["Ahead by other measures of this question: Prediction changes (ROAD): a."]
