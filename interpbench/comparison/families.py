"""Families of measures: what a measure asks of a map decides what may be said and counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

FamilyName = Literal[
    "localisation", "faithfulness", "other", "robustness", "randomisation", "complexity", "axiomatic", "cost"
]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a benchmark does with the measures of one family that have a direction."""

    leads: bool  # sentences say who is best by them
    ranks: bool  # only a right map can win: their ranks order the methods of the page
    wins: bool  # being among the best by them is counted
    agrees: bool  # they take part in the agreement between measures


_QUALITY = Family(leads=True, ranks=True, wins=True, agrees=True)
FAMILIES: Mapping[FamilyName, Family] = {
    "localisation": _QUALITY,  # does the map point at a known truth?
    "faithfulness": _QUALITY,  # does the prediction change where the map says that it would?
    "other": _QUALITY,  # what declares no family
    "robustness": Family(leads=True, ranks=False, wins=True, agrees=True),  # does the map stay where it should?
    "randomisation": Family(leads=False, ranks=False, wins=False, agrees=True),  # does it change with the weights?
    "complexity": Family(leads=False, ranks=False, wins=False, agrees=True),  # how is importance spread?
    "axiomatic": Family(leads=False, ranks=False, wins=True, agrees=True),  # does it keep what its method claims?
    "cost": Family(leads=False, ranks=False, wins=False, agrees=False),  # seconds, passes, memory
}
"""In the order in which a page has them."""


def family_of(measure: Mapping[str, Any]) -> Family:
    """The family of a measure, as `measures` of benchmark.json has it."""
    return FAMILIES[_name(measure)]


def place_of(measure: Mapping[str, Any]) -> int:
    """The place of a measure's family among all, from 0."""
    return get_args(FamilyName).index(_name(measure))


def of_family(name: FamilyName, measure: Mapping[str, Any]) -> bool:
    """Whether a measure is of this family."""
    return _name(measure) == name


def _name(measure: Mapping[str, Any]) -> FamilyName:
    name: FamilyName = measure.get("family") or "other"
    return name
