"""What cannot be concluded: the differences that would have been found, and what measures declare."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from scipy import stats

from interpbench.comparison.families import FAMILIES, FamilyName, family_of, of_family, place_of
from interpbench.comparison.limits import LEARNED, detectable_differences, limits

Made = Callable[..., dict[str, Any]]


def size_in(texts: list[str]) -> float:
    return float(re.search(r"power of 80 %: m (\S+)", texts[0])[1])


def detected(measure: dict[str, Any], result: dict[str, Any]) -> list[str]:
    return detectable_differences({"results": {measure["name"]: result}}, [measure])


@pytest.mark.parametrize("methods", ["ab", "abc", "abcdef"])
def test_a_difference_of_that_size_is_found_four_times_in_five(methods: str, measure: Made, outcome: Made) -> None:
    result = outcome(dict.fromkeys(methods, 1.0))
    size = size_in(detected(measure("m"), result))
    error = 0.2 / (2 * stats.norm.isf(0.025))  # the intervals of `outcome` are 0.2 wide
    critical = stats.norm.isf(0.025 / len(result["pairs"])) * error
    assert stats.norm.sf(critical, loc=size, scale=error) == pytest.approx(0.8, abs=0.005)


def test_the_median_pair_decides_and_pairs_without_an_interval_do_not(measure: Made, outcome: Made) -> None:
    result = outcome(dict.fromkeys("abc", 1.0))
    plain = size_in(detected(measure("m"), result))
    for pair, width in zip(result["pairs"], (0.2, 0.2, 500.0), strict=True):
        pair["difference_interval"] = [-width / 2, width / 2]
    assert size_in(detected(measure("m"), result)) == plain
    result["pairs"][2]["difference_interval"] = None
    assert size_in(detected(measure("m"), result)) == plain


def test_it_has_the_unit_and_the_number_of_subjects(measure: Made, outcome: Made) -> None:
    (text,) = detected(measure("m", unit="years"), outcome({"a": 1.0, "b": 2.0}))
    assert re.search(r": m 0\.143 years \(n = 40\)\. A smaller one may exist\.", text)


@pytest.mark.parametrize("how", [{"n": 4}, {"n": 40, "shared": 4}], ids=["few subjects", "few subjects in common"])
def test_where_no_test_can_find_anything_no_size_is_named(how: dict[str, int], measure: Made, outcome: Made) -> None:
    assert detected(measure("m"), outcome({"a": 1.0, "b": 2.0}, **how)) == []


def test_without_pairs_or_intervals_no_size_is_named(measure: Made, outcome: Made) -> None:
    assert detected(measure("m"), outcome({"a": 1.0})) == []
    result = outcome({"a": 1.0, "b": 2.0})
    result["pairs"][0]["difference_interval"] = None
    assert detected(measure("m"), result) == []


def told(measures: list[dict[str, Any]], results: dict[str, Any], *methods: dict[str, Any]) -> list[str]:
    return [text for _, text in limits({"measures": measures, "results": results, "methods": methods})]


def test_what_measures_declare_is_told_once_and_in_the_order_of_families(measure: Made, outcome: Made) -> None:
    measures = [
        measure("seconds", family="cost", limits="Of this machine."),
        measure("gini", family="complexity", limits="Sparse is not right."),
        measure("auc", family="localisation", limits="A truth of images."),
        measure("mass", family="localisation", limits="A truth of images."),
        measure("plain", limits=None),
    ]
    found = told(measures, {one["name"]: outcome({"a": 1.0}) for one in measures})
    assert found[:-2] == ["A truth of images.", "Sparse is not right.", "Of this machine."]
    assert found[-1].startswith("Maps show what this network uses.")
    results = {one["name"]: outcome({"a": 1.0}) for one in measures}
    questions = [question for question, _ in limits({"measures": measures, "results": results, "methods": []})]
    assert questions == ["localisation", "complexity", "cost", "", ""]


def test_a_measure_without_values_or_direction_declares_nothing(measure: Made, outcome: Made) -> None:
    measures = [
        measure("empty", limits="Empty."),
        measure("neither", direction=None, limits="Neither."),
        measure("missing", limits="Missing."),
    ]
    assert told(measures, {"empty": outcome({}), "neither": outcome({"a": 1.0})}) == []


def test_a_limit_of_learned_methods_names_them_without_their_copies(
    measure: Made, outcome: Made, method: Made, blurred: Made
) -> None:
    measures = [measure("m", limits=f"Of {LEARNED}: beware of {LEARNED}.")]
    methods = [method("a", learned=True), {**blurred("a"), "learned": True}, method("b", learned=True), method("c")]
    assert told(measures, {"m": outcome({"a": 1.0})}, *methods)[0] == "Of a and b: beware of a and b."
    assert len(told(measures, {"m": outcome({"a": 1.0})}, method("c"))) == 2


# Families


def test_every_family_that_a_measure_may_declare_is_known_in_the_order_of_the_page() -> None:
    assert list(FAMILIES) == list(get_args(FamilyName))
    assert [place_of({"family": name}) for name in FAMILIES] == list(range(len(FAMILIES)))
    for name in FAMILIES:
        assert [other for other in FAMILIES if of_family(other, {"family": name})] == [name]


@pytest.mark.parametrize("odd", [{}, {"family": None}, {"family": ""}])
def test_what_declares_no_family_is_a_measure_of_quality(odd: dict[str, Any]) -> None:
    assert of_family("other", odd)
    assert family_of(odd) == FAMILIES["other"]


def test_only_what_a_right_map_alone_can_win_ranks_and_all_that_ranks_leads_and_is_counted() -> None:
    ranking = {name for name, family in FAMILIES.items() if family.ranks}
    assert ranking == {"localisation", "person", "faithfulness", "other"}
    assert all(FAMILIES[name].leads and FAMILIES[name].wins and FAMILIES[name].agrees for name in ranking)
    assert not np.any([getattr(FAMILIES["cost"], name) for name in ("leads", "ranks", "wins", "agrees")])
