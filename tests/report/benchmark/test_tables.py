"""Cells of a benchmark's tables: digits, marks in words, differences seen from each method, colours of tau."""

from __future__ import annotations

import re
from typing import Any

import pytest

from interpbench.report.benchmark.order import Place
from interpbench.report.benchmark.predictor_figures import predictor_figures
from interpbench.report.benchmark.tables import (
    cell_of,
    column_of,
    detail_of,
    friedman_in_words,
    lead,
    mark_of,
    method_rows,
    p_in_words,
    p_told,
    row_kind,
    tau_rows,
    unit_of,
)

DASH = "\N{EN DASH}"


def pair(a: str, b: str, difference: float, n: int = 20, p: float = 0.01) -> dict[str, Any]:
    return {
        "a": a,
        "b": b,
        "n": n,
        "difference": difference,
        "p": p,
        "p_holm": p,
        "effect": 0.5 if difference > 0 else -0.5,
        "difference_interval": [difference - 0.1, difference + 0.2],
    }


def figures(mean: float | None, interval: list[float] | None = None, n: int = 20) -> dict[str, Any]:
    return {"mean": mean, "sd": 1.0, "median": mean, "interval": interval, "n": n, "mean_rank": 1.5}


def result(best: list[str], **changes: Any) -> dict[str, Any]:
    return {
        "n": 20,
        "best": best,
        "groups": [],
        "methods": {"a": figures(0.9, [0.85, 0.95]), "b": figures(0.7), "c": figures(0.5, n=7)},
        "pairs": [pair("a", "b", 0.2), pair("a", "c", 0.4), pair("b", "c", 0.2)],
        "friedman": {"statistic": 12.5, "df": 2, "p": 0.0019, "n": 20, "k": 3},
        **changes,
    }


AUC = {
    "name": "auc",
    "metric": "localisation",
    "unit": "",
    "direction": "higher",
    "help": "Points at it.",
    "chance": 0.5,
    "steps": [],
}


def summary(found: dict[str, Any] | None = None) -> dict[str, Any]:
    methods = [
        {"name": "a"},
        {"name": "b", "blurred": True},
        {"name": "c", "kind": "floor"},
        {"name": "d", "note": "no"},
    ]
    return {"unit": "years", "methods": methods, "measures": [AUC], "results": {"auc": found or result(["a"])}}


def test_a_cell_holds_mean_interval_and_its_own_number_of_subjects() -> None:
    assert cell_of(result(["a"]), "a").value == "0.900"
    assert cell_of(result(["a"]), "a").interval == "0.850 to 0.950"
    assert cell_of(result(["a"]), "b").interval == "" and cell_of(result(["a"]), "b").note == ""
    assert cell_of(result(["a"]), "c").note == "n = 7"
    assert cell_of(result(["a"]), "nobody").value == cell_of({}, "a").value == DASH


def test_figures_of_one_measure_have_the_digits_that_their_intervals_carry() -> None:
    means = {"a": (4.5, [3.18, 5.87]), "b": (0.0004, [-0.2, 0.2]), "c": (0.0, [-0.004, 2.0])}
    found = result([], methods={name: figures(mean, bounds) for name, (mean, bounds) in means.items()})
    assert [cell_of(found, name).value for name in means] == ["4.50", "4e-04", "0.00"]
    assert [cell_of(found, name).interval for name in means] == ["3.18 to 5.87", "-0.20 to 0.20", "-4e-03 to 2.00"]


def test_differences_have_digits_of_their_own() -> None:
    near = pair("a", "b", 0.0123) | {"difference_interval": [0.0101, 0.0145]}
    found = detail_of(summary(result(["a"], pairs=[near])), AUC)
    (row,) = (row for row in found.rows if row.name == "b")
    assert (row.difference, row.difference_interval) == ("-0.0123", "-0.0145 to -0.0101")


def test_the_best_group_is_marked_in_words() -> None:
    assert [mark_of(result(["a"]), name) for name in "abc"] == ["best", "", ""]
    assert [mark_of(result(["a", "b"]), name) for name in "abc"] == ["best mean", "tied", ""]


def test_nobody_is_tied_where_too_few_subjects_could_tell_anybody_apart() -> None:
    few = result(["a", "b", "c"], pairs=[pair("a", "b", 0.2, n=3), pair("a", "c", 0.4, n=3)])
    assert [mark_of(few, name) for name in "abc"] == ["best mean", "", ""]
    assert column_of(summary(few), AUC).note == "Too few subjects to distinguish any two methods"
    assert column_of(summary(), AUC).note == ""


def test_all_with_the_best_mean_are_marked_and_none_where_nobody_could_be_told_apart() -> None:
    methods = {"a": figures(0.9), "b": figures(0.9), "c": figures(0.5)}
    found = result(["a", "b", "c"], methods=methods)
    assert [mark_of(found, name) for name in "abc"] == ["best mean", "best mean", "tied"]
    few = result(["a", "b", "c"], methods=methods, pairs=[pair("a", "b", 0.2, n=3), pair("a", "c", 0.4, n=3)])
    assert [mark_of(few, name) for name in "abc"] == ["", "", ""]
    alike = result(["a", "b", "c"], methods={name: figures(0.9) for name in "abc"})
    assert [mark_of(alike, name) for name in "abc"] == ["", "", ""]


def test_one_method_alone_is_not_the_best() -> None:
    assert mark_of(result(["a"], methods={"a": figures(0.9)}, pairs=[]), "a") == ""


def test_a_column_says_direction_unit_and_chance_in_words() -> None:
    column = column_of(summary(), AUC)
    assert "higher is better" in column.better and column.unit == "no unit" and column.chance == "0.5"
    assert column.n == 20 and column.help == "Points at it"
    assert column.arrow == "\N{UPWARDS ARROW} higher"
    assert column_of(summary(), {**AUC, "help": "an area."}).help == "An area"
    lower = column_of(summary(), {**AUC, "direction": "lower", "chance": None, "unit": "{unit}"})
    assert "lower is better" in lower.better and lower.chance == "" and lower.unit == "years"
    assert "not used for ranking" in column_of(summary(), {**AUC, "direction": None}).better
    assert unit_of({}, {"unit": None}) == "no unit"


def test_kinds_are_said_beside_the_name_and_notes_too() -> None:
    rows = method_rows(summary(), [AUC], [Place(name, 1.0, 1) for name in "abcd"], 1)
    assert [row.kind for row in rows] == ["method", "blurred", "floor", "method"]
    assert [row.words for row in rows] == ["", "blurred copy", "floor: does not use the network", ""]
    assert rows[3].note == "no" and rows[3].cells[0].value == DASH
    assert row_kind({"kind": "method", "blurred": False, "learned": True})[1] == "learned"


def test_a_rank_over_fewer_measures_says_of_how_many() -> None:
    rows = method_rows(summary(), [AUC], [Place("a", 2.25, 3), Place("b", 2.0, 2), Place("c", None, 0)], 3)
    assert [(row.rank, row.ranked) for row in rows] == [("2.2", ""), ("2.0", "of 2"), (DASH, "")]


def test_differences_are_those_of_each_method_from_the_best_whatever_the_order_of_the_pair() -> None:
    turned = pair("a", "b", 0.2)
    turned |= {"a": "b", "b": "a", "difference": -0.2, "difference_interval": [-0.4, -0.1], "effect": -0.5}
    for first in (pair("a", "b", 0.2), turned):
        found = detail_of(summary(result(["a"], pairs=[first, pair("b", "c", 9.0)])), AUC)
        rows = {row.name: row for row in found.rows}
        assert found.reference == "a" and rows["a"].difference == "" and rows["c"].difference == ""
        assert (rows["b"].difference, rows["b"].effect, rows["b"].p) == ("-0.200", "-0.50", "0.010")
        assert rows["b"].difference_interval == "-0.400 to -0.100"


def test_a_full_table_is_sorted_and_says_who_has_no_value_and_why() -> None:
    found = detail_of(summary(), AUC)
    assert [row.name for row in found.rows] == ["a", "b", "c"]
    assert found.absent == [("d", "no")]
    told = detail_of(summary(result(["a"], left_out={"d": "it is flat"})), AUC)
    assert told.absent == [("d", "it is flat")]


def test_tests_are_told_in_words() -> None:
    assert friedman_in_words(result([])["friedman"]).endswith(
        "chi-square(2) = 12.50, p = 0.002, n = 20 subjects, k = 3 methods"
    )
    assert friedman_in_words(None) == ""
    assert [p_in_words(p) for p in (0.0499, 1e-9, None)] == ["0.050", "< 0.001", DASH]
    assert [p_told(p) for p in (0.0499, 1e-9)] == ["p = 0.050", "p < 0.001"]


def test_tau_is_a_number_on_a_colour_that_the_colour_blind_see() -> None:
    agreement = {"measures": ["x", "y"], "tau": {"x": {"x": 1.0, "y": -0.9}, "y": {"x": None, "y": 0.0}}}
    (_, ((one, warm), (least, cold))), (_, ((none, plain), (zero, white))) = tau_rows({"measures": []}, agreement)
    assert (one, least, none, zero) == ("1.00", "-0.90", DASH, "0.00") and plain == ""
    red, _, blue = (int(part) for part in re.findall(r"\d+", warm)[:3])
    assert red > blue + 100
    red, _, blue = (int(part) for part in re.findall(r"\d+", cold)[:3])
    assert blue > red + 80 and "rgb(255, 255, 255)" in white


def test_the_predictors_error_is_found_at_the_top_and_one_level_below() -> None:
    error = {
        "n": 75,
        "mae": 2.5,
        "mae_interval": [2.1, 3.0],
        "mean_predictor_mae": 7.4,
        "bias": 0.4,
        "correlation": None,
    }
    for predictor in (error, {"name": "resnet18", "test": error, "fingerprint": "7b", "other": None}):
        found = predictor_figures(predictor, "years")
        assert [(one.value, one.unit, one.n) for one in found] == [
            (2.5, "years", 75),
            (7.4, "years", 75),
            (0.4, "years", 75),
        ]
        assert found[0].interval == (2.1, 3.0) and found[1].interval is None
    assert predictor_figures({}, "years") == []


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("auc: a leads.", ("auc:", "a leads.")),
        ("No colon here.", ("", "No colon here.")),
        ("x" * 100 + ": late", ("", "x" * 100 + ": late")),
        ("at 12:30 it ended", ("", "at 12:30 it ended")),
    ],
)
def test_what_a_sentence_is_about_stands_before_its_first_colon(sentence: str, parts: tuple[str, str]) -> None:
    assert lead(sentence) == parts
