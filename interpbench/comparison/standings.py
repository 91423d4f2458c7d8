"""How a map stands in one question: ahead, tied, behind, or no better than a map that ignores the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from interpbench.comparison.families import COMPARED, FAMILIES, FamilyName, family_of, of_family
from interpbench.comparison.headline import headlines, spokesmen
from interpbench.comparison.one_measure import standing
from interpbench.comparison.sanity import passing
from interpbench.comparison.table import RANKED_FROM

State = Literal["ahead", "tied", "behind", "fails", "unmeasured"]
FAST = 2.0  # times of the fastest method, up to which a map is cheap


def deciding(benchmark: Mapping[str, Any], family: FamilyName) -> list[Mapping[str, Any]]:
    """The measures that answer a question, the one that decides first: that which most methods have a value for."""
    if FAMILIES[family].leads:
        able = [one for one in headlines(benchmark) if of_family(family, one)]
    else:
        able = spokesmen(family, benchmark["measures"], benchmark["results"])
    own = own_methods(benchmark)
    return sorted(able, key=lambda one: -len(_means(benchmark, one, own)))


def questions(benchmark: Mapping[str, Any]) -> list[FamilyName]:
    """The questions that methods are compared by, in order; `other` only where something of it was measured."""
    return [*COMPARED, *(name for name in FAMILIES if name == "other" and deciding(benchmark, name))]


def own_methods(benchmark: Mapping[str, Any]) -> list[str]:
    """The methods themselves, without floors and smoothed copies."""
    return [one["name"] for one in benchmark["methods"] if one.get("kind") != "floor" and not one.get("blurred")]


def floors_of(benchmark: Mapping[str, Any], measure: Mapping[str, Any]) -> list[str]:
    """The floors with a value: maps that ignore the network, and for a question on persons one map for all of them."""
    personal = family_of(measure).personal
    names = [
        one["name"]
        for one in benchmark["methods"]
        if one.get("kind") == "floor" and (personal or not one.get("template"))
    ]
    return list(_means(benchmark, measure, names))


def state_of(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> State:
    """How one method, floor or smoothed copy stands in one measure.

    Where only a right map can win, two answers decide: is it not found worse than the best of all methods and floors,
    and is it better than every floor (and than chance, where that is declared)? Both: ahead; the first alone: tied; the
    second alone: behind; neither: fails. Elsewhere floors say nothing, and in the second answer stands any method.
    """
    result = benchmark["results"].get(measure["name"], {"methods": {}})
    mean = _mean(result, name)
    if mean is None or result["methods"][name]["n"] < RANKED_FROM * result["n"]:
        return "unmeasured"  # a lucky few subjects are no place among the others
    if of_family("randomisation", measure):
        return passing(benchmark, measure, name)
    own, family = own_methods(benchmark), family_of(measure)
    if not family.leads:
        fastest = min(_means(benchmark, measure, own).values(), default=mean)
        return "ahead" if mean <= FAST * fastest else "behind"
    floors = floors_of(benchmark, measure) if family.ranks else []
    first = best_of(benchmark, measure, [*own, *floors])
    among = first in (None, name) or _told(result, measure, name, first) != "worse"
    if family.ranks:
        above = bool(floors) and not unbeaten_by(benchmark, measure, name) and beyond_chance(benchmark, measure, name)
    else:
        above = any(_told(result, measure, name, other) == "better" for other in own)
    if among:
        return "ahead" if above else "tied"
    return "behind" if above or not family.ranks or not floors else "fails"


def best_of(benchmark: Mapping[str, Any], measure: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The one with the best mean, among those that have a value for most subjects; None of none."""
    result = benchmark["results"][measure["name"]]
    enough = RANKED_FROM * result["n"]
    means = _means(benchmark, measure, names)
    able = [name for name in means if result["methods"][name]["n"] >= enough]
    sign = -1 if measure["direction"] == "higher" else 1
    return min(able, key=lambda name: sign * means[name], default=None)


def unbeaten_by(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> list[str]:
    """The floors that a map is not shown to be better than; a floor is never better than itself."""
    result = benchmark["results"][measure["name"]]
    return [floor for floor in floors_of(benchmark, measure) if _told(result, measure, name, floor) != "better"]


def beyond_chance(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> bool:
    """Whether the whole interval, or the mean without one, is better than chance; also where chance is unknown."""
    chance = measure.get("chance")
    if chance is None:
        return True
    figures = benchmark["results"][measure["name"]]["methods"][name]
    low, high = figures.get("interval") or (figures["mean"], figures["mean"])
    return bool(low > chance) if measure["direction"] == "higher" else bool(high < chance)


def _told(result: Mapping[str, Any], measure: Mapping[str, Any], one: str, other: str) -> str | None:
    return standing(result["pairs"], measure["direction"], one, other)


def _means(benchmark: Mapping[str, Any], measure: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """The means of those that have one."""
    result = benchmark["results"].get(measure["name"], {"methods": {}})
    found = {name: _mean(result, name) for name in names}
    return {name: mean for name, mean in found.items() if mean is not None}


def _mean(result: Mapping[str, Any], name: str) -> float | None:
    mean = result["methods"].get(name, {}).get("mean")
    return float(mean) if isinstance(mean, int | float) and math.isfinite(mean) else None
