"""What one measure allows to say, from figures made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interpbench.comparison.headline import (
    against_floors,
    headlines,
    leader,
    smoothing_effects,
    spokesmen,
    unbeaten,
)

Made = Callable[..., dict[str, Any]]


def names_of(found: list[Any]) -> list[str]:
    return [one["name"] for one in found]


# Which measures lead


def test_a_metric_that_declares_its_leader_has_one_and_others_their_first_three(measure: Made, outcome: Made) -> None:
    declared = [measure(f"d{at}", metric="declares", leads=lead) for at, lead in enumerate([None, 2, 1])]
    silent = [measure(f"s{at}", metric="silent") for at in range(4)]
    measures = [*declared, *silent]
    results = {one["name"]: outcome({"a": 1.0, "b": 2.0}) for one in measures}
    assert names_of(headlines({"measures": measures, "results": results})) == ["d2", "s0", "s1", "s2"]


def test_where_the_declared_leader_has_no_value_the_next_one_leads(measure: Made, outcome: Made) -> None:
    measures = [measure("late", metric="x", leads=2), measure("first", metric="x", leads=1)]
    results = {"late": outcome({"a": 1.0}), "first": outcome({})}
    results["first"]["best"] = []
    assert names_of(headlines({"measures": measures, "results": results})) == ["late"]


@pytest.mark.parametrize(
    ("family", "leads"),
    [
        ("localisation", True),
        ("faithfulness", True),
        ("robustness", True),
        ("other", True),
        (None, True),
        ("randomisation", False),
        ("complexity", False),
        ("axiomatic", False),
        ("cost", False),
    ],
)
def test_only_measures_of_quality_lead(family: str | None, leads: bool, measure: Made, outcome: Made) -> None:
    benchmark = {"measures": [measure("m", family=family)], "results": {"m": outcome({"a": 1.0, "b": 2.0})}}
    assert bool(headlines(benchmark)) is leads


def test_a_measure_without_a_direction_or_without_results_never_leads(measure: Made, outcome: Made) -> None:
    measures = [measure("neither", direction=None), measure("unknown")]
    assert headlines({"measures": measures, "results": {"neither": outcome({"a": 1.0})}}) == []


def test_of_each_metric_of_a_family_one_measure_speaks(measure: Made, outcome: Made) -> None:
    measures = [
        measure("slow", metric="time", family="cost", leads=2),
        measure("quick", metric="time", family="cost", leads=1),
        measure("memory", metric="space", family="cost", leads=1),
        measure("silent", metric="silence", family="cost"),
        measure("auc", metric="time", family="localisation", leads=1),
    ]
    results = {one["name"]: outcome({"a": 1.0}) for one in measures}
    assert sorted(names_of(spokesmen("cost", measures, results))) == ["memory", "quick"]
    results["quick"] = outcome({})
    assert sorted(names_of(spokesmen("cost", measures, results))) == ["memory", "slow"]


# Who leads by one measure


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_the_distance_of_another_method_is_taken_from_it_to_the_best(
    direction: str, measure: Made, outcome: Made
) -> None:
    means = {"x": 1.0, "y": 3.0}
    first, other, apart = ("y", "x", -2) if direction == "higher" else ("x", "y", 2)
    result = outcome(means, f"{first}>{other}", direction=direction)
    (text,) = leader(measure("m", direction=direction, unit="kg"), result, [])
    assert f"{first} has the best mean, {means[first]:g} kg" in text
    assert f"1 other is worse: {other} {apart} kg ({apart - 0.1:.3g} to {apart + 0.1:.3g})" in text
    assert "Holm-corrected p < 0.001, rank-biserial effect 1, n = 40" in text


def test_the_nearest_of_those_behind_is_the_one_with_the_best_mean(measure: Made, outcome: Made) -> None:
    result = outcome({"far": 0.1, "best": 0.9, "near": 0.6}, "best>far", "best>near")
    (text,) = leader(measure("m"), result, [])
    assert "2 others are worse, the nearest of them near -0.3" in text
    lower = outcome({"far": 9.0, "best": 1.0, "near": 3.0}, "best>far", "best>near", direction="lower")
    (text,) = leader(measure("m", direction="lower"), lower, [])
    assert "the nearest of them near 2 (" in text


@pytest.mark.parametrize(("tied", "rest"), [(3, ""), (4, ", and 1 other."), (6, ", and 3 others.")])
def test_of_many_that_are_not_distinguished_three_are_named(tied: int, rest: str, measure: Made, outcome: Made) -> None:
    (text,) = leader(measure("m"), outcome({"best": 9.0} | {f"t{at}": 8.0 - at for at in range(tied)}), [])
    assert [f"t{at}" in text for at in range(tied)] == [True] * 3 + [False] * (tied - 3)
    assert text.endswith(f"{rest or '.'} No method is found worse.")


def test_what_the_test_finds_better_than_the_best_mean_is_told(measure: Made, outcome: Made) -> None:
    (text,) = leader(measure("m"), outcome({"steady": 1.0, "outlier": 2.0}, "steady>outlier"), [])
    assert "By the signed-rank test steady is better than outlier, whose mean depends on a few subjects" in text


def test_methods_without_a_common_subject_and_equal_ones_have_no_distance(measure: Made, outcome: Made) -> None:
    result = outcome({"a": 1.0, "b": 1.0})
    result["pairs"][0] |= {"difference": 0.0, "difference_interval": None}
    assert "b (the same in every subject)" in leader(measure("m"), result, [])[0]
    result["pairs"] = []
    assert "b (no subject in common)" in leader(measure("m"), result, [])[0]


def test_no_difference_from_the_other_side_is_not_minus_zero(measure: Made, outcome: Made) -> None:
    result = outcome({"a": 1.0, "b": 1.0})
    result["best"] = ["a", "b"]
    result["pairs"][0] |= {"a": "a", "b": "b", "difference": 0.0, "difference_interval": [0.0, 0.2]}
    assert "b 0 (-0.2 to 0)" in leader(measure("m"), result, [])[0]


def test_the_word_floor_stands_only_at_a_floor_that_leads(measure: Made, outcome: Made) -> None:
    result = outcome({"a": 2.0, "noise": 1.0}, "a>noise")
    assert "floor" not in leader(measure("m"), result, ["noise"])[0]
    assert "a, a floor, has the best mean" in leader(measure("m"), result, ["a"])[0]


# Floors


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["a>f", "a>g"], []),
        (["a>f"], ["g"]),
        ([], ["f", "g"]),
        (["f>a", "a>g"], ["f"]),
    ],
    ids=["beats both", "beats one", "beats none", "worse than one"],
)
def test_a_floor_stands_until_the_method_is_shown_to_be_better(
    told: list[str], expected: list[str], measure: Made, outcome: Made
) -> None:
    result = outcome({"a": 2.0, "f": 1.0, "g": 1.5}, *told)
    assert unbeaten(measure("m"), result, "a", ["f", "g"]) == expected


def test_floors_that_stand_are_named_and_all_of_them_are_called_any(measure: Made, outcome: Made) -> None:
    result = outcome({"a": 3.0, "b": 2.0, "c": 1.5, "f": 1.0, "g": 1.0}, "a>f", "a>g", "b>f")
    (text,) = against_floors(measure("m"), result, ["a", "b", "c"], ["f", "g"])
    assert text == (
        "m: better than every floor (f and g): a. Not shown to be better: b (than g) and c (than any); this measure"
        " gives no reason to prefer their maps to a map that does not use the network."
    )


def test_one_method_that_does_not_beat_the_floors_is_one(measure: Made, outcome: Made) -> None:
    (text,) = against_floors(measure("m"), outcome({"a": 1.0, "f": 1.0}), ["a"], ["f"])
    assert "better than every floor (f): no method." in text
    assert "prefer its maps to a map" in text


@pytest.mark.parametrize(("methods", "floors"), [(["a"], []), ([], ["f"]), (["z"], ["f"]), (["a"], ["z"])])
def test_without_a_method_or_a_floor_that_has_values_nothing_is_said_of_floors(
    methods: list[str], floors: list[str], measure: Made, outcome: Made
) -> None:
    assert against_floors(measure("m"), outcome({"a": 1.0, "f": 1.0}), methods, floors) == []


# Smoothing


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ([], "m: no effect of smoothing was found."),
        (["a+>a"], "m: smoothing alone makes the maps of a better."),
        (["a>a+"], "m: smoothing makes the maps of a worse."),
        (["a+>a", "b>b+"], "m: smoothing alone makes the maps of a better and smoothing makes those of b worse."),
    ],
    ids=["none", "better", "worse", "both"],
)
def test_the_effect_of_smoothing_is_that_of_a_copy_on_its_original(
    told: list[str], text: str, measure: Made, outcome: Made
) -> None:
    result = outcome({"a": 2.0, "b": 1.0, "a+": 1.9, "b+": 0.9}, *told)
    assert smoothing_effects(measure("m"), result, ["a", "b"], {"a": "a+", "b": "b+"})[0].startswith(text)


@pytest.mark.parametrize(
    ("told", "ending"),
    [
        (["a>b", "a>b+"], " a is also better than the smoothed maps of b."),
        (["a>b"], " a is not shown to be better than the smoothed maps of b: smoothness alone may explain it."),
        ([], "no effect of smoothing was found."),
    ],
    ids=["stays ahead", "is caught", "did not lead"],
)
def test_a_lead_counts_against_the_smoothed_maps_of_those_behind(
    told: list[str], ending: str, measure: Made, outcome: Made
) -> None:
    result = outcome({"a": 2.0, "b": 1.0, "b+": 1.5}, *told)
    assert smoothing_effects(measure("m"), result, ["a", "b"], {"b": "b+"})[0].endswith(ending)


@pytest.mark.parametrize(
    ("told", "how"),
    [(["a+>a"], "better than"), (["a>a+"], "by the test worse than"), ([], "not distinguished from")],
)
def test_a_copy_that_leads_is_compared_with_its_original(
    told: list[str], how: str, measure: Made, outcome: Made
) -> None:
    result = outcome({"a": 2.0, "b": 1.0, "a+": 3.0}, "a>b", *told)
    (text,) = smoothing_effects(measure("m"), result, ["a", "b"], {"a": "a+"})
    assert f"The best mean is that of a smoothed copy, {how} its original." in text
    assert text.endswith(
        "Among unsmoothed maps, a has the best mean, 2 (95 % interval 1.9 to 2.1, n = 40); the others are worse."
    )


def test_among_unsmoothed_maps_only_those_that_are_ranked_lead(measure: Made, outcome: Made) -> None:
    result = outcome({"a": 2.0, "b": 1.0, "c": 0.9, "a+": 3.0})
    result["methods"]["a"]["mean_rank"] = None
    (text,) = smoothing_effects(measure("m"), result, ["a", "b", "c"], {"a": "a+"})
    assert "Among unsmoothed maps, b has the best mean" in text
    assert text.endswith("; not distinguished from it: c.")
