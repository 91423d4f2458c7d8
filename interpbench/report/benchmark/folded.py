"""The sentences of a benchmark, folded by the question that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interpbench.comparison.families import BELIEVED, FAMILIES
from interpbench.report.benchmark.order import Record
from interpbench.report.benchmark.tables import lead

ALL = "All questions"
ABOUT_ALL = "How far do these conclusions reach, and do the measures agree?"


@dataclass(frozen=True)
class Fold:
    """The sentences on one question, each in its first words and the rest."""

    topic: str
    question: str
    sentences: Sequence[tuple[str, str]]


def folded_sentences(summary: Record) -> list[Fold]:
    """The sentences by question: those that a page answers first, the other ones, and what is about all of them."""
    sentences = summary.get("verdict") or []
    families = summary.get("verdict_families") or [""] * len(sentences)
    found = []
    for name in dict.fromkeys([*BELIEVED, *FAMILIES, ""]):
        told = [lead(text) for family, text in zip(families, sentences, strict=True) if family == name]
        if told:
            family = FAMILIES.get(name)  # type: ignore[call-overload]
            found.append(Fold(family.topic if family else ALL, family.question if family else ABOUT_ALL, told))
    return found
