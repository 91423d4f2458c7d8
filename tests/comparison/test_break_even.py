"""From how many subjects on learning pays."""

from __future__ import annotations

import math

import pytest

from interpbench.comparison.break_even import break_even, describe_break_even


def only(seconds: dict[str, float], training: dict[str, float]) -> dict[str, object]:
    (row,) = break_even(["learned"], seconds, training)
    return row


def test_it_is_the_training_over_what_each_subject_saves() -> None:
    row = only({"learned": 0.5, "slow": 2.5}, {"learned": 100.0})
    assert row == {
        "learned": "learned",
        "other": "slow",
        "training_seconds": 100.0,
        "seconds_learned": 0.5,
        "seconds_other": 2.5,
        "subjects": 50,
    }


@pytest.mark.parametrize("training", [1.0, 99.5, 1000.0])
def test_there_learning_costs_no_more_and_one_subject_before_more(training: float) -> None:
    count = only({"learned": 0.3, "slow": 1.7}, {"learned": training})["subjects"]
    assert isinstance(count, int)
    assert training + 0.3 * count <= 1.7 * count + 1e-9
    assert training + 0.3 * (count - 1) > 1.7 * (count - 1)


@pytest.mark.parametrize("other", [0.1, 0.5])
def test_what_is_no_faster_never_pays(other: float) -> None:
    row = only({"learned": 0.5, "quick": other}, {"learned": 100.0})
    assert row["subjects"] is None
    assert describe_break_even(row) == (
        f"For many subjects, learned never costs less than quick: 0.5 s per subject instead of {other} s,"
        " after 100 s of training."
    )


def test_without_training_what_is_faster_pays_at_once() -> None:
    row = only({"learned": 0.5, "slow": 2.0}, {"learned": 0.0})
    assert row["subjects"] == 0
    assert "from the first subject on" in describe_break_even(row)


def test_two_that_learn_are_compared_by_the_difference_of_their_training() -> None:
    rows = break_even(["x", "y"], {"x": 1.0, "y": 3.0}, {"x": 100.0, "y": 40.0})
    assert [(row["learned"], row["other"], row["subjects"]) for row in rows] == [("x", "y", 30), ("y", "x", None)]


def test_unknown_times_are_not_compared() -> None:
    assert break_even(["learned"], {"learned": 0.5, "slow": 2.0}, {"learned": math.nan}) == []
    assert break_even(["learned"], {"slow": 2.0}, {"learned": 10.0}) == []


def test_words_give_the_number_with_both_times() -> None:
    row = only({"learned": 0.5, "slow": 2.5}, {"learned": 100.0})
    assert describe_break_even(row) == (
        "learned costs no more than slow from 50 subjects on: 0.5 s per subject instead of 2.5 s,"
        " after 100 s of training."
    )
