"""Tidy rows as arrays."""

from __future__ import annotations

import random

import numpy as np
import pytest

from interpbench.comparison.table import table_of
from interpbench.errors import InputError


def row(subject: str, method: str, value: object, note: str = "", measure: str = "auc") -> dict[str, object]:
    return {"participant_id": subject, "method": method, "measure": measure, "value": value, "note": note}


ROWS = [
    row("sub-2", "b", 0.2),
    row("sub-1", "b", 0.1),
    row("sub-1", "a", 1.0),
    row("sub-2", "a", 2.0),
    row("sub-3", "a", 3.0),
    row("sub-3", "b", None, "flat map"),
]


def test_every_value_stands_at_its_subject_and_its_method() -> None:
    scores = table_of(ROWS).scores("auc")
    assert scores.subjects == ("sub-1", "sub-2", "sub-3")
    assert scores.methods == ("a", "b")
    np.testing.assert_array_equal(scores.values, [[1.0, 0.1], [2.0, 0.2], [3.0, np.nan]])


def test_the_order_of_the_rows_changes_nothing() -> None:
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    first, second = table_of(ROWS), table_of(shuffled)
    assert (first.subjects, first.methods) == (second.subjects, second.methods)
    np.testing.assert_array_equal(first.values["auc"], second.values["auc"])


def test_methods_come_in_the_order_asked_for_and_others_after() -> None:
    assert table_of(ROWS, ["b", "unheard"]).methods == ("b", "unheard", "a")


@pytest.mark.parametrize("value", [None, "", "n/a", "nan", float("nan"), float("inf")])
def test_what_is_no_finite_number_is_missing(value: object) -> None:
    assert np.isnan(table_of([row("sub-1", "a", value), row("sub-1", "b", "2.5")]).values["auc"][0]).tolist() == [
        True,
        False,
    ]


def test_a_method_without_any_value_is_left_out_with_the_commonest_reason() -> None:
    rows = [
        row("sub-1", "a", 1.0),
        row("sub-2", "a", 1.0),
        row("sub-1", "b", None, "rare"),
        row("sub-2", "b", None, "needs a truth"),
        row("sub-3", "b", None, "needs a truth"),
    ]
    scores = table_of(rows, ["a", "b", "c"]).scores("auc")
    assert scores.methods == ("a",)
    assert scores.subjects == ("sub-1", "sub-2")  # nobody has a value for the third
    assert scores.left_out == {"b": "needs a truth", "c": "no value, and no reason given"}


def test_complete_subjects_do_not_depend_on_a_method_that_lacks_most_of_them() -> None:
    rows = (
        [row(f"sub-{n}", "a", n) for n in range(6)]
        + [row(f"sub-{n}", "b", n) for n in range(5)]
        + [row("sub-0", "c", 1.0)]
    )
    scores = table_of(rows).scores("auc")
    assert scores.counts.tolist() == [6, 5, 1]
    assert scores.ranked.tolist() == [True, True, False]
    assert scores.complete.tolist() == [True] * 5 + [False]


def test_a_measure_that_no_row_has_applies_to_nobody() -> None:
    scores = table_of(ROWS).scores("srg_mean")
    assert (scores.subjects, scores.methods, scores.values.shape) == ((), (), (0, 0))
    assert scores.complete.shape == (0,)


def test_no_rows_make_an_empty_table() -> None:
    assert table_of([]).subjects == ()


def test_two_values_for_one_cell_and_words_are_refused() -> None:
    with pytest.raises(InputError, match="two rows for sub-1, a, auc"):
        table_of([row("sub-1", "a", 1.0), row("sub-1", "a", 1.0)])
    with pytest.raises(InputError, match="sub-1, a, auc is 'good', but must be a number"):
        table_of([row("sub-1", "a", "good")])
