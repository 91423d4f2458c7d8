"""What one measure allows to say: who leads, by how much, over which floors, and whether smoothness explains it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from interpbench.comparison.families import FamilyName, family_of, of_family
from interpbench.comparison.one_measure import powerless, standing
from interpbench.comparison.wording import (
    amount,
    between,
    chance,
    counted,
    estimate,
    label,
    listed,
    three_digits,
    title_of,
)

UNDECLARED = 3  # measures that lead of a metric that does not say which one does
NAMED = 3  # methods whose distance from the best is spelled out


def headlines(benchmark: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The measures that a verdict goes through, in the order of the table: those with a direction and values."""
    able = [
        one
        for one in benchmark["measures"]
        if one["direction"] and benchmark["results"].get(one["name"], {"best": []})["best"]
    ]
    declared = {one["metric"] for one in benchmark["measures"] if one.get("leads")}
    found = []
    for one in able:
        siblings = [other for other in able if other["metric"] == one["metric"]]
        leaders = [other for other in siblings if other.get("leads")]
        chosen = sorted(leaders, key=_turn)[:1] if one["metric"] in declared else siblings[:UNDECLARED]
        if family_of(one).leads and one in chosen:
            found.append(one)
    return found


def spokesmen(
    family: FamilyName, measures: Sequence[Mapping[str, Any]], results: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Of each metric of a family the measure that leads, where it declares one that has values."""
    able = [one for one in measures if of_family(family, one) and one.get("leads")]
    able = [one for one in able if results.get(one["name"], {"methods": {}})["methods"]]
    return list({one["metric"]: one for one in sorted(able, key=_turn, reverse=True)}.values())


def _turn(measure: Mapping[str, Any]) -> float:
    """When it is a measure's turn to lead its metric: those that do not say come last."""
    return measure.get("leads") or math.inf


def leader(measure: Mapping[str, Any], result: Mapping[str, Any], floors: Sequence[str]) -> list[str]:
    """A sentence on the best mean, the methods that are not distinguished from it, and the next one."""
    first, *tied = result["best"]
    figures, unit = result["methods"][first], measure["unit"]
    title = f"{first}, a floor," if first in floors else first
    if len(result["methods"]) == 1:
        return [f"{label(measure)}: {first} has {estimate(figures, unit)}; there is nothing to compare it with."]
    text = f"{label(measure)}: {title} has the best mean, {estimate(figures, unit)}."
    if powerless(result):
        return [f"{text} With so few subjects no two of {len(result['methods'])} methods can be distinguished."]
    behind = [name for name in result["methods"] if _told(result, measure, name, first) == "worse"]
    if tied:
        distances = [_distance(measure, result, first, name) for name in tied[:NAMED]]
        rest = f", and {counted(len(tied) - NAMED, 'other')}" if len(tied) > NAMED else ""
        text += f" Not distinguished from it, with mean difference and 95 % interval: {'; '.join(distances)}{rest}."
    if behind:
        sign = -1 if measure["direction"] == "higher" else 1
        nearest = min(behind, key=lambda name: sign * result["methods"][name]["mean"])
        pair = _pair(result, first, nearest)
        text += (
            f" {'1 other is worse:' if len(behind) == 1 else f'{len(behind)} others are worse, the nearest of them'}"
            f" {_distance(measure, result, first, nearest)} (Holm-corrected {chance(pair['p_holm'])}, rank-biserial"
            f" effect {three_digits(abs(pair['effect']))}, n = {pair['n']})."
        )
    elif not tied:
        text += " No other method can be compared with it on the same subjects."
    else:
        text += " No method is found worse."
    upset = [name for name in tied if _told(result, measure, name, first) == "better"]
    if upset:
        text += (
            f" By the signed-rank test {listed(upset)} is better than {first}, whose mean depends on a few"
            " subjects, so there is no single best."
        )
    return [text]


def against_floors(
    measure: Mapping[str, Any], result: Mapping[str, Any], methods: Sequence[str], floors: Sequence[str]
) -> list[str]:
    """Which methods beat every floor, and which do not, with the floors that stand against them."""
    floors = [name for name in floors if name in result["methods"]]
    methods = [name for name in methods if name in result["methods"]]
    if not floors or not methods or powerless(result):
        return []
    stopped = {name: unbeaten(measure, result, name, floors) for name in methods}
    good = [name for name in methods if not stopped[name]]
    text = f"{title_of(measure)}: better than every floor ({listed(floors)}): {listed(good, 20) or 'no method'}."
    bad = [
        f"{name} (than {'any' if stopped[name] == floors else listed(stopped[name])})"
        for name in methods
        if stopped[name]
    ]
    if bad:
        text += (
            f" Not shown to be better: {listed(bad, 20)}; this measure gives no reason to prefer"
            f" {'its maps' if len(bad) == 1 else 'their maps'} to a map that does not use the network."
        )
    return [text]


def unbeaten(measure: Mapping[str, Any], result: Mapping[str, Any], name: str, floors: Sequence[str]) -> list[str]:
    """The floors that a method is not shown to be better than."""
    return [floor for floor in floors if _told(result, measure, name, floor) != "better"]


def smoothing_effects(
    measure: Mapping[str, Any], result: Mapping[str, Any], plain: Sequence[str], copies: Mapping[str, str]
) -> list[str]:
    """Where smoothing alone makes maps better, and whether the leader's lead is still there against smoothed copies.

    Args:
        plain: the methods as they are.
        copies: method -> its blurred copy.
    """
    there = {name: copy for name, copy in copies.items() if {name, copy} <= set(result["methods"])}
    if not there or powerless(result):
        return []
    helped = [name for name, copy in there.items() if _told(result, measure, copy, name) == "better"]
    hurt = [name for name, copy in there.items() if _told(result, measure, copy, name) == "worse"]
    parts = []
    if helped:
        parts.append(f"smoothing alone makes the maps of {listed(helped)} better")
    if hurt:
        parts.append(f"smoothing makes {'those' if helped else 'the maps'} of {listed(hurt)} worse")
    text = f"{title_of(measure)}: {' and '.join(parts) or 'no effect of smoothing was found'}."
    first = result["best"][0]
    originals = {copy: name for name, copy in there.items()}
    if first in originals:
        source = originals[first]
        how = (
            "better than"
            if source in helped
            else "by the test worse than"
            if source in hurt
            else "not distinguished from"
        )
        text += f" The best mean is that of a smoothed copy, {how} its original. {_unsmoothed(measure, result, plain)}"
    else:
        led = [name for name in there if name != first and _told(result, measure, name, first) == "worse"]
        caught = [name for name in led if _told(result, measure, there[name], first) != "worse"]
        if caught:
            text += (
                f" {first} is not shown to be better than the smoothed maps of {listed(caught)}:"
                " smoothness alone may explain it."
            )
        elif led:
            text += f" {first} is also better than the smoothed maps of {listed(led)}."
    return [text]


def _unsmoothed(measure: Mapping[str, Any], result: Mapping[str, Any], plain: Sequence[str]) -> str:
    """Who leads among the methods as they are; only those that are ranked at all."""
    sign = -1 if measure["direction"] == "higher" else 1
    ranked = [name for name in plain if name in result["methods"] and result["methods"][name]["mean_rank"] is not None]
    if not ranked:
        return ""
    first, *others = sorted(ranked, key=lambda name: sign * result["methods"][name]["mean"])
    tied = [name for name in others if _told(result, measure, name, first) != "worse"]
    text = f"Among unsmoothed maps, {first} has the best mean, {estimate(result['methods'][first], measure['unit'])}"
    if tied:
        return f"{text}; not distinguished from it: {listed(tied, 20)}."
    return f"{text}; the others are worse." if others else f"{text}."


def _told(result: Mapping[str, Any], measure: Mapping[str, Any], one: str, other: str) -> str | None:
    return standing(result["pairs"], measure["direction"], one, other)


def _pair(result: Mapping[str, Any], one: str, other: str) -> Mapping[str, Any]:
    return next(pair for pair in result["pairs"] if {pair["a"], pair["b"]} == {one, other})


def _distance(measure: Mapping[str, Any], result: Mapping[str, Any], first: str, name: str) -> str:
    """How far `name` is from `first`: `saliency -0.03 years (-0.05 to -0.01)`."""
    found = [pair for pair in result["pairs"] if {pair["a"], pair["b"]} == {first, name}]
    if not found:
        return f"{name} (no subject in common)"
    if found[0]["difference"] == 0 and not found[0]["difference_interval"]:
        return f"{name} (the same in every subject)"
    sign = 1 if found[0]["a"] == name else -1
    bounds = found[0]["difference_interval"]
    ends = sorted(sign * end for end in bounds) if bounds else None
    return f"{name} {amount(sign * found[0]['difference'], measure['unit'])} ({between(ends)})"
