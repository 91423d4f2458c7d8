"""The order of methods where a record has holes: nothing counted, ties, figures that are none, names that differ."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from interpbench.errors import UsageError
from interpbench.report.benchmark.order import check_names, measure_columns, number, pair, places_by, places_of


def record(ranks: dict[str, dict[str, float | None]], means: dict[str, Any] | None = None) -> dict[str, Any]:
    """Measures with each method's mean rank; its mean is the rank unless given."""
    results = {
        measure: {
            "methods": {
                name: {"mean": (means or own).get(name), "mean_rank": rank, "n": 3} for name, rank in own.items()
            }
        }
        for measure, own in ranks.items()
    }
    listed = [
        {"name": name, "metric": "m", "unit": "", "direction": "lower", "help": "", "chance": None, "steps": []}
        for name in ranks
    ]
    methods = dict.fromkeys(name for own in ranks.values() for name in own)
    return {"unit": "", "methods": [{"name": name} for name in methods], "measures": listed, "results": results}


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_the_order_in_which_methods_were_entered_does_not_decide_their_places(order: tuple[str, ...]) -> None:
    ranks = {"a": 2.5, "b": 1.0, "c": 2.0}
    given = record({"x": {name: ranks[name] for name in order}, "y": {name: ranks[name] for name in order}})
    assert [place.name for place in places_of(given, ["x", "y"])] == ["b", "c", "a"]
    assert [place.name for place in places_by(given, "x")] == ["b", "c", "a"]


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_methods_of_equal_rank_stay_in_the_order_in_which_they_were_entered(order: tuple[str, ...]) -> None:
    given = record({"x": dict.fromkeys(order, 2.0)})
    assert tuple(place.name for place in places_of(given, ["x"])) == order
    assert tuple(place.name for place in places_by(given, "x")) == order


def test_without_a_counted_measure_nobody_has_a_rank_and_the_order_is_that_of_entry() -> None:
    places = places_of(record({"x": {"b": 2.0, "a": 1.0}}), [])
    assert [(place.name, place.rank, place.ranked) for place in places] == [("b", None, 0), ("a", None, 0)]


@pytest.mark.parametrize(("ranked", "last"), [(1, True), (2, False), (3, False), (4, False)])
def test_from_half_of_the_measures_on_a_rank_is_a_place(ranked: int, last: bool) -> None:
    measures = {name: {"often": 3.0, "some": 1.0 if at < ranked else None} for at, name in enumerate("wxyz")}
    places = places_of(record(measures), list("wxyz"))
    assert (places[-1].name == "some") is last
    assert {place.name: place.ranked for place in places} == {"often": 4, "some": ranked}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "0.1", []])
def test_a_mean_that_is_no_number_stands_last_also_where_0_would_lead(value: Any) -> None:
    given = record({"x": {"odd": 1.0, "good": 2.0, "bad": 3.0}}, {"odd": value, "good": -5.0, "bad": 7.0})
    assert [place.name for place in places_by(given, "x")] == ["good", "bad", "odd"]


def test_a_measure_without_any_value_leaves_the_order_and_an_unknown_one_is_refused() -> None:
    given = record({"xenon": {"b": None, "a": None}})
    assert [place.name for place in places_by(given, "xenon")] == ["b", "a"] and measure_columns(given, ["xenon"]) == []
    with pytest.raises(UsageError, match=r"Unknown measure 'xenno' in this benchmark\. Did you mean 'xenon'"):
        places_by(given, "xenno")


@pytest.mark.parametrize("names", [[], ["a"], ["größe", "a", "a"]])
def test_names_that_are_there_are_no_error(names: list[str]) -> None:
    check_names(names, {"a", "größe"}, "method")
    with pytest.raises(UsageError, match="Unknown method 'A'"):
        check_names([*names, "A"], {"a", "größe"}, "method")


@pytest.mark.parametrize("bounds", [None, 1.0, "12", [], [1.0], [1, 2, 3], [1, math.nan], [None, 2], {"a": 1, "b": 2}])
def test_what_is_no_pair_of_numbers_is_no_interval(bounds: Any) -> None:
    assert pair(bounds) is None


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), (-0.0, 0.0), (5, 5.0), (-1.5, -1.5), (2**60, 2.0**60)])
def test_a_number_is_itself(value: float, expected: float) -> None:
    assert number(value) == expected and pair((value, value)) == (expected, expected)
