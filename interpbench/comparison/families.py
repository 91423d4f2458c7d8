"""Families of measures: what a measure asks of a map decides what may be said and counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

FamilyName = Literal[
    "localisation", "person", "faithfulness", "other", "robustness", "randomisation", "complexity", "axiomatic", "cost"
]

Question = FamilyName | Literal[""]  # of a sentence; "" for one about all of them


@dataclass(frozen=True, kw_only=True)
class Family:
    """The question of one family, and what a benchmark does with its measures that have a direction."""

    topic: str  # the question in a word or two, for heads of columns and of sentences
    question: str  # in plain words
    leads: bool = False  # sentences say who is best by them
    ranks: bool = False  # only a right map can win: their ranks order the methods of the page
    wins: bool = False  # being among the best by them is counted
    agrees: bool = True  # they take part in the agreement between measures
    personal: bool = False  # one map for all subjects is a floor, whatever it was made from
    without_truth: str = ""  # why it has no values where no truth is known


def _quality(topic: str, question: str, **other: Any) -> Family:
    return Family(topic=topic, question=question, leads=True, ranks=True, wins=True, **other)


FAMILIES: Mapping[FamilyName, Family] = {
    "localisation": _quality(
        "Where", "Does the map point at the truth?", without_truth="no ground truth of this cohort is known"
    ),
    "person": _quality(
        "This person",
        "Does the map follow the person?",
        personal=True,
        without_truth="the cohort has no ground truth of each person",
    ),
    "faithfulness": _quality("How much", "Does the prediction change where the map says?"),
    "other": _quality("Other", "How good is the map by further measures?"),
    "robustness": Family(
        topic="Same again", question="Does the map stay the same when it should?", leads=True, wins=True
    ),
    "randomisation": Family(topic="Uses the network", question="Does the map change when the network forgets?"),
    "complexity": Family(topic="Spread", question="How is importance spread over the brain?"),
    "axiomatic": Family(topic="Promise", question="Does the map keep what its method promises?", wins=True),
    "cost": Family(topic="Cost", question="How long does a map take?", agrees=False),
}
"""In the order in which a page has them."""

BELIEVED: tuple[FamilyName, ...] = ("localisation", "faithfulness", "person")
"""The questions that a page answers first, each in one sentence."""

COMPARED: tuple[FamilyName, ...] = (*BELIEVED, "robustness", "randomisation", "cost")
"""The questions that have a column in the matrix of methods, also where nothing was measured."""


def family_of(measure: Mapping[str, Any]) -> Family:
    """The family of a measure, as `measures` of benchmark.json has it."""
    return FAMILIES[name_of(measure)]


def place_of(measure: Mapping[str, Any]) -> int:
    """The place of a measure's family among all, from 0."""
    return get_args(FamilyName).index(name_of(measure))


def of_family(name: FamilyName, measure: Mapping[str, Any]) -> bool:
    """Whether a measure is of this family."""
    return name_of(measure) == name


def name_of(measure: Mapping[str, Any]) -> FamilyName:
    """The name of a measure's family."""
    name: FamilyName = measure.get("family") or "other"
    return name
