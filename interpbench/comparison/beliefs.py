"""Which map to believe for where, how much and this person: one sentence each, from a benchmark's figures alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interpbench.comparison.families import BELIEVED, FAMILIES, FamilyName, of_family
from interpbench.comparison.one_measure import powerless, standing
from interpbench.comparison.standings import (
    best_of,
    beyond_chance,
    deciding,
    floors_of,
    own_methods,
    state_of,
    unbeaten_by,
)
from interpbench.comparison.table import NO_VALUE
from interpbench.comparison.wording import counted, estimate, listed, three_digits, title_of


@dataclass(frozen=True, kw_only=True)
class Belief:
    """The answer to one question."""

    family: FamilyName
    sentence: str
    notes: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)  # methods whose maps can be believed, the best mean first
    measure: str = ""  # the one that decides


def beliefs(benchmark: Mapping[str, Any]) -> list[Belief]:
    """One answer a question, in the order of a page.

    A map can be believed that is ahead in the measure that decides: it is better than every map that ignores the
    network, and not found worse than the best.

    Args:
        benchmark: what `summarise` makes, less its sentences.
    """
    return [_belief(benchmark, family) for family in BELIEVED]


def _belief(benchmark: Mapping[str, Any], family: FamilyName) -> Belief:
    measures = deciding(benchmark, family)
    own = own_methods(benchmark)
    first = best_of(benchmark, measures[0], own) if measures else None
    if first is None:
        return Belief(family=family, sentence=f"{FAMILIES[family].topic}: not measured, {_missing(benchmark, family)}.")
    measure = measures[0]
    ahead = _in_order(benchmark, measure, [name for name in own if state_of(benchmark, measure, name) == "ahead"])
    say = _believed(benchmark, measure, ahead) if ahead else _nobody(benchmark, measure, first)
    return Belief(
        family=family,
        sentence=f"{FAMILIES[family].topic}: {say}",
        notes=_notes(benchmark, measures, ahead),
        maps=ahead,
        measure=measure["name"],
    )


def _believed(benchmark: Mapping[str, Any], measure: Mapping[str, Any], ahead: Sequence[str]) -> str:
    """The maps that can be believed, with the figure of the first."""
    figure = _figure(benchmark, measure, ahead[0])
    bar = "better than every map that ignores the network"
    if any(one.get("template") and one["name"] in floors_of(benchmark, measure) for one in benchmark["methods"]):
        bar += ", and than one map for all subjects"
    if len(ahead) == 1:
        return f"believe the map of {ahead[0]}. {title_of(measure)}: {figure}, {bar}."
    return (
        f"believe the map of {_either(ahead)}; the benchmark cannot distinguish them. {title_of(measure)}: {figure} for"
        f" {ahead[0]}, each {bar}."
    )


def _nobody(benchmark: Mapping[str, Any], measure: Mapping[str, Any], first: str) -> str:
    """Why no map can be believed, with the figure of the best method."""
    result, floors = benchmark["results"][measure["name"]], floors_of(benchmark, measure)
    best = f"{title_of(measure)}: at best {_figure(benchmark, measure, first)} for {first}"
    if not floors:
        return f"no map can be believed yet. {best}; no map that ignores the network was measured beside it."
    if powerless(result):
        few = f"with {counted(result['n'], 'subject')} no two maps can be distinguished"
        return f"no map can be believed yet, because {few}. {best}."
    stopped = unbeaten_by(benchmark, measure, first)
    better = [name for name in stopped if standing(result["pairs"], measure["direction"], name, first) == "better"]
    if better:
        top = best_of(benchmark, measure, better) or better[0]
        figure = three_digits(result["methods"][top]["mean"])
        return f"no map can be believed. {best}; {top}, which ignores the network, is better ({figure})."
    if stopped:
        which = f"{listed(stopped)}, which {'ignores' if len(stopped) == 1 else 'ignore'} the network"
        return f"no map can be believed. {best}, not shown to be better than {which}."
    if not beyond_chance(benchmark, measure, first):
        return (
            f"no map can be believed. {best}, not shown to be better than chance ({three_digits(measure['chance'])})."
        )
    return f"no map can be believed. {best}, but the tests of its means and of its ranks disagree."


def _notes(benchmark: Mapping[str, Any], measures: Sequence[Mapping[str, Any]], ahead: Sequence[str]) -> list[str]:
    """What qualifies the sentence: smoothed copies, one map for all, the other measures of the question."""
    return [
        *_smoothed_copies(benchmark, measures[0], ahead),
        *_one_for_all(benchmark, measures[0], ahead),
        *_others(benchmark, measures[1:], ahead),
    ]


def _smoothed_copies(benchmark: Mapping[str, Any], measure: Mapping[str, Any], ahead: Sequence[str]) -> list[str]:
    result = benchmark["results"][measure["name"]]
    copies = [one["name"] for one in benchmark["methods"] if one.get("blurred")]
    first = best_of(benchmark, measure, ahead or own_methods(benchmark)) or ""
    better = [name for name in copies if standing(result["pairs"], measure["direction"], name, first) == "better"]
    top = best_of(benchmark, measure, better)
    if top is None:
        return []
    figure = three_digits(result["methods"][top]["mean"])
    return [f"A smoothed copy is better than {first}: {top} has {figure}. Smoothness alone can win points here."]


def _one_for_all(benchmark: Mapping[str, Any], measure: Mapping[str, Any], ahead: Sequence[str]) -> list[str]:
    """Those that are not better than one map for all subjects; where that is a floor, the sentence says it."""
    result, floors = benchmark["results"][measure["name"]], floors_of(benchmark, measure)
    templates = [one["name"] for one in benchmark["methods"] if one.get("template") and one["name"] not in floors]
    found = []
    for template in (name for name in templates if name in result["methods"]):
        equal = [name for name in ahead if standing(result["pairs"], measure["direction"], name, template) != "better"]
        if equal:
            found.append(f"Not shown to be better than {template}, one map for all subjects: {listed(equal)}.")
    return found


def _others(benchmark: Mapping[str, Any], others: Sequence[Mapping[str, Any]], ahead: Sequence[str]) -> list[str]:
    """Whether the other leading measures of the question put one of the same maps ahead."""
    if not others:
        return []
    own = own_methods(benchmark)
    by_others = {title_of(one): [name for name in own if state_of(benchmark, one, name) == "ahead"] for one in others}
    if ahead:
        agree = sum(bool(set(names) & set(ahead)) for names in by_others.values())
        whom = "it" if len(ahead) == 1 else "one of them"
        return [f"Other measures of this question that put {whom} ahead as well: {agree} of {len(others)}."]
    found = [f"{title}: {listed(names)}" for title, names in by_others.items() if names]
    return [f"Ahead by other measures of this question: {'; '.join(found)}."] if found else []


def _missing(benchmark: Mapping[str, Any], family: FamilyName) -> str:
    """Why a question has no figure."""
    measures = [one for one in benchmark["measures"] if of_family(family, one) and one.get("direction")]
    measures = [one for one in measures if one.get("leads")] or measures
    if not measures:
        return "because no measure of this question was computed"
    results = [benchmark["results"].get(one["name"], {}) for one in measures]
    reasons = Counter(why for result in results for why in (result.get("left_out") or {}).values())
    reason = max(reasons, key=lambda why: (reasons[why], why), default=NO_VALUE)
    if reason != NO_VALUE:
        return f"because {reason.rstrip('.')}"
    needed = FAMILIES[family].without_truth if any(one.get("needs_truth") for one in measures) else ""
    return f"because {needed or 'no method has a value'}"


def _in_order(benchmark: Mapping[str, Any], measure: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The best mean first."""
    sign = -1 if measure["direction"] == "higher" else 1
    means = benchmark["results"][measure["name"]]["methods"]
    return sorted(names, key=lambda name: sign * means[name]["mean"])


def _figure(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> str:
    return estimate(benchmark["results"][measure["name"]]["methods"][name], measure["unit"])


def _either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    text = listed(names)
    return text if len(names) > 7 else " or ".join(text.rsplit(" and ", 1))
