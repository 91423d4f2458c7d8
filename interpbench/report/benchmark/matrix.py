"""The matrix of a benchmark's page: methods by questions, each cell a state in words with the figures behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interpbench.comparison.families import FAMILIES, FamilyName, family_of, of_family
from interpbench.comparison.one_measure import powerless, standing
from interpbench.comparison.standings import (
    State,
    best_of,
    beyond_chance,
    deciding,
    floors_of,
    own_methods,
    questions,
    state_of,
    unbeaten_by,
)
from interpbench.comparison.wording import amount, estimate, listed, three_digits, title_of
from interpbench.report.benchmark.order import Place, Record, methods_of
from interpbench.report.benchmark.tables import row_kind

SIGNS: dict[State, str] = {
    "ahead": "\N{BLACK UP-POINTING TRIANGLE}",
    "tied": "\N{ALMOST EQUAL TO}",
    "behind": "\N{WHITE DOWN-POINTING TRIANGLE}",
    "fails": "\N{MULTIPLICATION SIGN}",
    "unmeasured": "\N{EN DASH}",
}
WORDS: dict[State, str] = {**{state: state for state in SIGNS}, "unmeasured": "not measured"}
OF_SANITY: dict[State, str] = {**WORDS, "ahead": "passes", "behind": "in part"}


@dataclass(frozen=True)
class Line:
    """One measure of a cell: the figure, how the method stands, and why."""

    title: str
    state: State
    sign: str
    word: str
    figure: str
    why: str
    anchor: str  # of the full table of this measure


@dataclass(frozen=True)
class Answer:
    """One cell: the state by the measure that decides, and the lines of all leading measures of the question."""

    topic: str
    state: State
    sign: str
    word: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class AnswerRow:
    """One method; `kind` and `words` as the other tables have them."""

    name: str
    kind: str
    words: str
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Head:
    """One question, the measure that decides it, and what must be said of it."""

    topic: str
    question: str
    title: str
    name: str
    n: int | None
    note: str


@dataclass(frozen=True)
class Matrix:
    """Rows of the methods themselves, and of floors and smoothed copies."""

    heads: Sequence[Head]
    rows: Sequence[AnswerRow]
    others: Sequence[AnswerRow]


def matrix_of(summary: Record, places: Sequence[Place]) -> Matrix:
    """The matrix, its rows in the order of `places`."""
    asked = {family: deciding(summary, family) for family in questions(summary)}
    methods = methods_of(summary)
    rows = [
        AnswerRow(
            place.name,
            *row_kind(methods[place.name]),
            [_answer(summary, family, measures, place.name) for family, measures in asked.items()],
        )
        for place in places
    ]
    own = {*own_methods({"methods": list(methods.values())})}
    heads = [_head(summary, family, measures) for family, measures in asked.items()]
    return Matrix(heads, [row for row in rows if row.name in own], [row for row in rows if row.name not in own])


def anchor_of(summary: Record, measure: Record) -> str:
    """The name of the place of a measure's full table on the page."""
    return f"measure-{[one['name'] for one in summary['measures']].index(measure['name'])}"


def _head(summary: Record, family: FamilyName, measures: Sequence[Record]) -> Head:
    topic, question = FAMILIES[family].topic, FAMILIES[family].question
    if not measures:
        return Head(topic, question, "", "", None, "not measured")
    measure, result = measures[0], summary["results"][measures[0]["name"]]
    compared = family_of(measure).leads
    note = "too few subjects to distinguish maps" if compared and powerless(result) else ""
    return Head(topic, question, title_of(measure), measure["name"], result.get("n"), note)


def _answer(summary: Record, family: FamilyName, measures: Sequence[Record], name: str) -> Answer:
    lines = [line for measure in measures if (line := _line(summary, measure, name))]
    first = _line(summary, measures[0], name) if measures else None
    topic = FAMILIES[family].topic
    if first is None:
        return Answer(topic, "unmeasured", SIGNS["unmeasured"], WORDS["unmeasured"], lines)
    return Answer(topic, first.state, first.sign, first.word, lines)


def _line(summary: Record, measure: Record, name: str) -> Line | None:
    state = state_of(summary, measure, name)
    if state == "unmeasured":
        return None
    figures, unit = summary["results"][measure["name"]]["methods"][name], str(measure["unit"])
    word = OF_SANITY[state] if of_family("randomisation", measure) else WORDS[state]
    if of_family("cost", measure):
        word = amount(figures["mean"], unit)
    anchor = anchor_of(summary, measure)
    why = _why(summary, measure, name)
    return Line(title_of(measure), state, SIGNS[state], word, estimate(figures, unit), why, anchor)


def _why(summary: Record, measure: Record, name: str) -> str:
    """What stands against a map: a better one, floors, chance."""
    family, result = family_of(measure), summary["results"][measure["name"]]
    if not family.leads:
        return ""
    own = own_methods(summary)
    floors = floors_of(summary, measure) if family.ranks else []
    best = best_of(summary, measure, [*own, *floors])
    parts = []
    if best is not None and standing(result["pairs"], measure["direction"], name, best) == "worse":
        parts.append(f"worse than {best}")
    stopped = unbeaten_by(summary, measure, name) if family.ranks and name not in floors else []
    if stopped:
        parts.append(f"not shown to be better than {listed(stopped)}")
    if family.ranks and not beyond_chance(summary, measure, name):
        parts.append(f"not shown to be better than chance ({three_digits(measure['chance'])})")
    return "; ".join(parts)
