"""What a benchmark warns of, from figures made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interpbench.comparison.caution import warnings_of

Made = Callable[..., dict[str, Any]]


def warned(results: dict[str, Any], n: int = 40, methods: list[dict[str, Any]] | None = None) -> list[str]:
    return warnings_of({"n": n, "measures": [], "results": results, "methods": methods or []})


def test_a_measure_is_called_by_its_title(outcome: Made) -> None:
    measures = [{"name": "m", "title": "the title of m"}]
    results = {"m": outcome({}), "n": outcome({})}
    (text,) = warnings_of({"n": 40, "measures": measures, "results": results, "methods": []})
    assert text == "No method has a value for the title of m and n."


def test_where_all_is_well_nothing_is_warned_of(outcome: Made) -> None:
    assert warned({"m": outcome({"a": 1.0, "b": 2.0})}) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "Only 0 subjects: intervals of fewer than 20 are too narrow, and there is none of fewer than 3."),
        (1, "Only 1 subject: intervals of fewer than 20 are too narrow, and there is none of fewer than 3."),
        (2, "Only 2 subjects: intervals of fewer than 20 are too narrow, and there is none of fewer than 3."),
        (3, "Only 3 subjects: intervals of fewer than 20 are too narrow."),
        (19, "Only 19 subjects: intervals of fewer than 20 are too narrow."),
        (20, None),
    ],
)
def test_few_subjects_are_counted(count: int, text: str | None) -> None:
    assert warned({}, n=count) == ([text] if text else [])


@pytest.mark.parametrize(
    ("subjects", "methods", "hopeless"),
    [
        pytest.param(5, 2, True, id="5 subjects for one pair: p = 0.0625"),
        pytest.param(6, 2, False, id="6 subjects for one pair: p = 0.03125"),
        pytest.param(6, 3, True, id="6 subjects for three pairs: p = 0.094"),
        pytest.param(7, 3, False, id="7 subjects for three pairs: p = 0.047"),
    ],
)
def test_a_test_that_can_never_find_anything_is_told_with_its_least_p(
    subjects: int, methods: int, hopeless: bool, outcome: Made
) -> None:
    result = outcome({name: 1.0 + at for at, name in enumerate("abc"[:methods])}, n=subjects)
    told = [one for one in warned({"m": result}, n=40) if "signed-rank" in one]
    pairs = methods * (methods - 1) // 2
    assert bool(told) is hopeless
    if hopeless:
        expected = f"m: with {subjects} subjects the signed-rank test gives no p below {2 * 0.5**subjects:.3g};"
        assert told[0].startswith(expected)
        assert f"for {pairs} comparison{'s' * (pairs > 1)} this" in told[0]


def test_the_least_p_is_that_of_the_subjects_whom_two_methods_share(outcome: Made) -> None:
    result = outcome({"a": 1.0, "b": 2.0}, n=30, shared=4)
    (text,) = [one for one in warned({"m": result}) if "signed-rank" in one]
    assert text.startswith("m: with 4 subjects the signed-rank test gives no p below 0.125; for 1 comparison this")


def test_measures_in_the_same_need_are_told_together_and_others_apart(outcome: Made) -> None:
    few, fewer = (outcome({"a": 1.0, "b": 2.0}, n=count) for count in (5, 4))
    told = [one for one in warned({"x": few, "y": few, "z": fewer}, n=20) if "signed-rank" in one]
    assert [one.partition(":")[0] for one in told] == ["x and y", "z"]


def test_a_method_without_maps_is_told_once_and_not_again_for_its_copy() -> None:
    methods = [
        {"name": "a", "note": "no map of 2 of 9 subjects"},
        {"name": "a+blur", "note": "no map of 2 of 9 subjects", "blurred": True},
        {"name": "b", "note": ""},
        {"name": "c"},
    ]
    assert warned({}, methods=methods) == ["a: no map of 2 of 9 subjects"]


@pytest.mark.parametrize(
    ("count", "gap", "unranked"),
    [(10, False, False), (9, True, False), (5, True, False), (4, True, True), (1, True, True)],
    ids=["all", "one missing", "half", "less than half", "one left"],
)
def test_missing_values_are_told_and_more_than_half_is_told_twice(
    count: int, gap: bool, unranked: bool, outcome: Made
) -> None:
    result = outcome({"a": 1.0, "b": 2.0}, n=10)
    result["methods"]["a"]["n"] = count
    text = "\n".join(warned({"m": result}, n=10))
    assert (f"a has no value for some subjects: m ({count} of 10)." in text) is gap
    assert ("a lacks more than half of the subjects and is not ranked: m." in text) is unranked
    assert "b has" not in text
    assert "b lacks" not in text


def test_gaps_of_one_method_are_one_sentence_over_all_measures(outcome: Made) -> None:
    results = {f"m{at}": outcome({"a": 1.0, "b": 2.0}) for at in range(12)}
    for result in results.values():
        result["methods"]["b"]["n"] = 39
    (text,) = warned(results)
    assert text.startswith("b has no value for some subjects: m0 (39 of 40), ")
    assert "m3 (39 of 40) and 8 more. Two methods are compared" in text


def test_measures_of_some_subjects_are_told_by_their_number_and_those_of_none_are_not(outcome: Made) -> None:
    results = {
        "all": outcome({"a": 1.0, "b": 2.0}),
        "x": outcome({"a": 1.0, "b": 2.0}, n=30),
        "few": outcome({"a": 1.0, "b": 2.0}, n=21),
        "y": outcome({"a": 1.0, "b": 2.0}, n=30),
        "none": outcome({}, n=0),
    }
    told = warned(results)
    assert [one for one in told if one.startswith("On ")] == [
        "On 21 of 40 subjects only: few.",
        "On 30 of 40 subjects only: x and y.",
    ]
    assert told[-1] == "No method has a value for none."


@pytest.mark.parametrize(
    ("means", "sd", "same"),
    [
        pytest.param({"a": 1.0, "b": 1.0}, 0.0, True, id="equal in every subject"),
        pytest.param({"a": 1.0, "b": 1.0}, 0.1, False, id="equal means of values that vary"),
        pytest.param({"a": 1.0, "b": 2.0}, 0.0, False, id="two constants"),
        pytest.param({"a": 1.0}, 0.0, False, id="one method"),
    ],
)
def test_a_measure_by_which_all_methods_are_the_same_is_told(
    means: dict[str, float], sd: float, same: bool, outcome: Made
) -> None:
    result = outcome(means)
    for one in result["methods"].values():
        one["sd"] = sd
    assert ("All methods have the same value for m." in warned({"m": result})) is same
