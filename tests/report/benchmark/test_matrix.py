"""The matrix of methods by questions: a word in each cell, and behind it the figures and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpbench.report.benchmark.matrix import SIGNS, anchor_of, matrix_of
from interpbench.report.benchmark.order import places_by

Made = Callable[..., dict[str, Any]]


def distinguished(found: dict[str, Any]) -> dict[str, Any]:
    """The same with tests that distinguish all methods."""
    for result in found["results"].values():
        for one in result["pairs"]:
            one |= {"n": 40, "p_holm": 0.001, "effect": 1.0 if one["difference"] > 0 else -1.0}
    return found


def test_each_method_has_a_word_a_question_and_floors_and_copies_stand_apart(summary: Made) -> None:
    found = distinguished(summary())
    matrix = matrix_of(found, places_by(found, "auc"))
    assert [head.topic for head in matrix.heads[:3]] == ["Where", "How much", "This person"]
    first, second = matrix.rows
    assert (first.name, [answer.word for answer in first.answers[:3]]) == ("unoise", ["ahead", "ahead", "not measured"])
    assert (second.name, [answer.word for answer in second.answers[:2]]) == ("saliency", ["behind", "behind"])
    assert {row.name for row in matrix.others} == {"unoise+blur", "random"}
    assert matrix.heads[2].note == "not measured"


def test_a_cell_has_its_figure_and_what_stands_against_the_map(summary: Made) -> None:
    found = distinguished(summary())
    (_, saliency) = matrix_of(found, places_by(found, "auc")).rows
    (line,) = saliency.answers[0].lines
    assert line.figure == "0.7 (95 % interval 0.65 to 0.75, n = 3)"
    assert line.why == "worse than unoise"
    assert line.anchor == anchor_of(found, found["measures"][0])
    undecided = summary()
    (unoise, _) = matrix_of(undecided, places_by(undecided, "auc")).rows
    assert unoise.answers[0].lines[0].why == "not shown to be better than random"


def test_cost_is_told_as_a_time_and_signs_differ(summary: Made) -> None:
    found = summary()
    matrix = matrix_of(found, places_by(found, "auc"))
    (cost,) = [answer for answer in matrix.rows[0].answers if answer.topic == "Cost"]
    assert cost.word == "0.8 s"
    assert len(set(SIGNS.values())) == len(SIGNS)


def test_the_page_has_the_matrix_with_a_link_to_the_table_of_each_figure(
    tmp_path: Path, summary: Made, page: Callable[..., str], parsed: Any
) -> None:
    text = page(tmp_path, distinguished(summary()))
    matrix = text.split('id="matrix"')[1].split("</section>")[0]
    assert '<td class="ahead" data-topic="Where"><details><summary>' in matrix
    assert '<td class="unmeasured" data-topic="This person">' in matrix
    assert 'href="#measure-0"' in matrix and 'id="measure-0"' in text
    assert "Floors and blurred copies in the same questions" in matrix


def test_a_benchmark_of_nobody_has_an_empty_matrix() -> None:
    nobody: dict[str, Any] = {"methods": [], "measures": [], "results": {}}
    matrix = matrix_of(nobody, [])
    assert not matrix.rows and not matrix.others
    assert {head.note for head in matrix.heads} == {"not measured"}


@pytest.mark.parametrize("families", [None, ["localisation", ""]])
def test_sentences_are_folded_by_their_question(
    families: list[str] | None, tmp_path: Path, summary: Made, page: Callable[..., str], parsed: Any
) -> None:
    found = summary() | ({"verdict_families": families} if families else {})
    told = parsed(page(tmp_path, found)).sections["sentences"]
    assert "unoise has the best mean." in told
    assert ("Does the map point at the truth?" in told) == bool(families)
    assert "How far do these conclusions reach" in told


def test_a_doubt_about_the_network_stands_above_every_answer(
    tmp_path: Path, summary: Made, page: Callable[..., str], parsed: Any
) -> None:
    found = summary() | {"doubts": ["it may be no better than predicting the mean"]}
    told = parsed(page(tmp_path, found)).sections["verdict"]
    assert told.index("it may be no better than predicting the mean") < told.index("Where: believe")
