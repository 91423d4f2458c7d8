"""A third party's measures and methods are told of by their own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Made = Callable[..., dict[str, Any]]
Told = Callable[..., str]


def measure(name: str, metric: str, direction: str | None = "higher", unit: str = "", **other: Any) -> dict[str, Any]:
    return {"name": name, "metric": metric, "unit": unit, "direction": direction, "help": f"Help of {name}."} | other


def test_a_third_partys_measure_and_method_are_told_of_by_their_own_words(method: Made, told: Told) -> None:
    text = told({"mine": {"x": 1.0, "y": 3.0}}, [measure("mine", "theirs", unit="kg")], [method("x"), method("y")])
    assert "mine (Help of mine; higher is better): y has the best mean" in text
    assert " kg (95 % interval" in text


def test_of_a_third_partys_many_measures_the_first_few_lead(method: Made, told: Told) -> None:
    measures = [measure(f"m{at}", "theirs") for at in range(9)]
    text = told({one["name"]: {"x": 1.0, "y": 3.0} for one in measures}, measures, [method("x"), method("y")])
    assert text.count("has the best mean") == 3


def test_a_measure_with_a_title_is_told_by_it_and_its_name_is_not_said(method: Made, told: Told) -> None:
    titled = measure("auc", "pointing", title="Points at the truth (AUC)", chance=0.5)
    text = told({"auc": {"a": 0.9, "b": 0.7}}, [titled], [method("a"), method("b")])
    assert "Points at the truth (AUC), higher is better, chance 0.5: a has the best mean" in text
    assert "auc" not in text


def test_of_a_metric_whose_leading_measures_have_no_values_no_other_measure_leads(method: Made, told: Told) -> None:
    measures = [measure("inside", "pointing", leads=1), measure("outside", "pointing", "lower")]
    assert "has the best mean" not in told({"outside": {"a": 0.1, "b": 0.5}}, measures, [method("a"), method("b")])
