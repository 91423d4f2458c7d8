"""Which measures lead the page of a benchmark, and in which order methods stand, also where results are missing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from interpbench.errors import UsageError
from interpbench.report.benchmark.order import (
    counted_in,
    has_values,
    measure_columns,
    methods_of,
    number,
    pair,
    places_by,
    places_of,
)


def measure(name: str, metric: str, direction: str | None = "higher", **other: Any) -> dict[str, Any]:
    base = {"name": name, "metric": metric, "unit": "", "direction": direction, "help": "", "chance": None, "steps": []}
    return {**base, **other}


def result(means: dict[str, float | None], ranks: dict[str, float] | None = None, best: bool = True) -> dict[str, Any]:
    ranks = ranks or {}
    methods = {
        name: {"mean": mean, "interval": None, "n": 3, "mean_rank": ranks.get(name)} for name, mean in means.items()
    }
    return {"n": 3, "methods": methods, "pairs": [], "best": list(means)[:1] if best else [], "groups": []}


def summary(measures: list[dict[str, Any]], results: dict[str, Any], methods: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"unit": "years", "methods": [{"name": name} for name in methods], "measures": measures, "results": results}


EVERY = {
    "seconds": measure("seconds", "cost", family="cost", leads=1, column=True),
    "srg_zero": measure("srg_zero", "deletion", family="faithfulness", leads=2, column=True),
    "srg_mean": measure("srg_mean", "deletion", family="faithfulness", leads=1, column=True),
    "top_half_error_mean": measure("top_half_error_mean", "deletion", family="faithfulness"),
    "gini": measure("gini", "complexity", None, family="complexity"),
    "auc": measure("auc", "localisation", family="localisation", leads=1),
    "beauty": measure("beauty", "third_party"),
    "max_sensitivity": measure("max_sensitivity", "sensitivity", family="robustness", leads=1),
}


def every() -> dict[str, Any]:
    measures = list(EVERY.values())
    return summary(measures, {name: result({"a": 1.0}, {"a": 1.0}, best=name != "gini") for name in EVERY}, ("a",))


def test_measures_that_lead_the_verdict_get_a_column_and_a_third_partys_do_too() -> None:
    names = [one["name"] for one in measure_columns(every())]
    assert names == ["auc", "srg_zero", "srg_mean", "beauty", "max_sensitivity", "seconds"]


def test_only_measures_that_a_right_map_alone_can_win_order_the_methods() -> None:
    assert sorted(counted_in(every())) == ["auc", "beauty", "srg_mean"]
    only = summary([EVERY["max_sensitivity"]], {"max_sensitivity": result({"a": 1.0})})
    assert counted_in(only) == ["max_sensitivity"]


def test_a_measure_without_values_gets_no_column() -> None:
    given = every()
    given["results"]["auc"] = result({"a": None}, best=False)
    del given["results"]["beauty"]
    assert {"auc", "beauty"}.isdisjoint(one["name"] for one in measure_columns(given))
    assert not has_values(given, "auc") and not has_values(given, "beauty")


def test_columns_can_be_chosen_in_any_order_and_a_misspelt_one_is_named() -> None:
    assert [one["name"] for one in measure_columns(every(), ["gini", "auc"])] == ["gini", "auc"]
    with pytest.raises(UsageError, match=r"Unknown measure 'acu' in this benchmark\. Did you mean 'auc'"):
        measure_columns(every(), ["acu"])


def test_methods_stand_by_the_mean_of_their_mean_ranks() -> None:
    ranks = {"x": {"a": 1.0, "b": 2.0, "c": 3.0}, "y": {"a": 3.0, "b": 1.5, "c": 1.5}}
    given = summary(
        [measure(name, "m") for name in ranks],
        {name: result(dict.fromkeys("abc", 0.0), one) for name, one in ranks.items()},
    )
    places = places_of(given, ["x", "y"])
    assert [(place.name, place.rank, place.ranked) for place in places] == [
        ("b", 1.75, 2),
        ("a", 2.0, 2),
        ("c", 2.25, 2),
    ]


def test_one_lucky_rank_is_no_place_and_methods_without_any_are_last() -> None:
    results = {name: result({"a": 1.0, "b": 1.0}, {"a": 4.0}) for name in "xyz"}
    results["x"]["methods"]["b"]["mean_rank"] = 1.0
    places = places_of(summary([measure(name, "m") for name in "xyz"], results, ("n", "b", "a")), list("xyz"))
    assert [place.name for place in places] == ["a", "b", "n"]
    assert [place.rank for place in places] == [4.0, 1.0, None]


@pytest.mark.parametrize(("direction", "order"), [("higher", "bac"), ("lower", "abc"), (None, "bac")])
def test_methods_can_stand_by_one_measure_and_those_without_a_value_are_last(direction: str, order: str) -> None:
    given = summary([measure("x", "m", direction)], {"x": result({"c": None, "b": 2.0, "a": 1.0})})
    assert "".join(place.name for place in places_by(given, "x")) == order


def test_methods_that_only_results_name_are_known_too() -> None:
    given = summary([measure("x", "m")], {"x": result({"stranger": 1.0})}, ("a",))
    assert list(methods_of(given)) == ["a", "stranger"]
    assert methods_of(given)["stranger"]["kind"] == "method"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "1"])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None and pair([1.0, value]) is None and pair(value) is None
    assert number(1) == 1.0 and pair([1, 2.0]) == (1.0, 2.0) and pair([1.0]) is None
