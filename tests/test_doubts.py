"""A doubt is a sentence with a kind, which survives copies and records, and is counted by it."""

from __future__ import annotations

import copy
import pickle

import pytest

from interpbench.doubts import (
    NO_STRIPPING,
    OTHER,
    Doubt,
    as_counts,
    as_record,
    by_kind,
    count_lines,
    from_counts,
    from_record,
    kind_of,
)

HEAD = Doubt("the image shows a head", NO_STRIPPING)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_of_the_same_kind(way) -> None:
    assert way(HEAD) == "the image shows a head" and kind_of(way(HEAD)) == NO_STRIPPING


def test_words_before_it_change_no_kind() -> None:
    assert HEAD.after("sub-01: ") == "sub-01: the image shows a head"
    assert kind_of(HEAD.after("sub-01: ")) == NO_STRIPPING and kind_of("anything") == OTHER


def test_a_record_keeps_sentences_and_kinds() -> None:
    record = as_record([HEAD, "plain"])
    assert record == {"warnings": ["the image shows a head", "plain"], "warning_kinds": [NO_STRIPPING, OTHER]}
    assert [(one, kind_of(one)) for one in from_record(record)] == [(str(HEAD), NO_STRIPPING), ("plain", OTHER)]


@pytest.mark.parametrize("kinds", [None, [], ["one"], "no list", 5])
def test_a_record_without_a_kind_for_each_sentence_has_them_of_the_other_kind(kinds: object) -> None:
    found = from_record({"warnings": ["a", "b"], "warning_kinds": kinds})
    assert [kind_of(one) for one in found] == [OTHER, OTHER]


def test_one_line_a_kind_tells_how_many_subjects_and_names_three() -> None:
    doubts = {f"{number:02d}": [HEAD, HEAD] for number in range(1, 13)} | {"99": ["plain"], "98": []}
    assert count_lines(doubts, 40) == [
        "no skull-stripping: 12 of 40 subjects (sub-01, sub-02, sub-03, ...)",
        "other: 1 of 40 subjects (sub-99)",
    ]
    assert count_lines({}, 40) == []


def test_counts_come_back_from_a_record() -> None:
    doubts = {"01": [HEAD], "sub-02": [HEAD, "plain"], "03": []}
    assert by_kind(from_counts(as_counts(doubts))) == by_kind(doubts)
    assert as_counts({"01": []}) == {}
    assert from_counts({"doubts": [1, 2]}) == from_counts({}) == {}
