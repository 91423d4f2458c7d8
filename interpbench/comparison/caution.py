"""What a reader of a benchmark must be warned of: too few subjects, missing values, methods without maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from interpbench.comparison.one_measure import least_p, powerless
from interpbench.comparison.table import NO_VALUE, RANKED_FROM
from interpbench.comparison.wording import counted, listed, three_digits, title_of

FEW = 20  # below, a bootstrap interval covers the mean less often than it says
MOST = 4  # names in one sentence


def warnings_of(benchmark: Mapping[str, Any]) -> list[str]:
    """The warnings of a benchmark as sentences; empty if there are none."""
    return [
        *_few_subjects(benchmark),
        *_without_maps(benchmark),
        *_gaps(benchmark),
        *_on_some_subjects(benchmark),
        *_say_nothing(benchmark),
    ]


def _few_subjects(benchmark: Mapping[str, Any]) -> list[str]:
    count = benchmark["n"]
    found = []
    if count < FEW:
        found.append(
            f"Only {counted(count, 'subject')}: intervals of fewer than {FEW} are too narrow"
            + (", and there is none of fewer than 3." if count < 3 else ".")
        )
    hopeless: dict[tuple[int, int], list[str]] = {}
    for name, result in _by_title(benchmark):
        pairs = result["pairs"]
        if powerless(result):
            hopeless.setdefault((max(pair["n"] for pair in pairs), len(pairs)), []).append(name)
    for (subjects, pairs), names in hopeless.items():
        found.append(
            f"{listed(names, MOST)}: with {counted(subjects, 'subject')} the signed-rank test gives no p below"
            f" {three_digits(least_p(subjects))}; for {counted(pairs, 'comparison')} this is not enough to distinguish"
            " any two methods, however different they are."
        )
    return found


def _without_maps(benchmark: Mapping[str, Any]) -> list[str]:
    noted = [one for one in benchmark["methods"] if one.get("note") and not one.get("blurred")]  # a copy lacks the same
    return [f"{one['name']}: {one['note']}" for one in noted]


def _gaps(benchmark: Mapping[str, Any]) -> list[str]:
    """Methods that have a value for some of a measure's subjects only."""
    gaps: dict[str, list[str]] = {}
    unranked: dict[str, list[str]] = {}
    for name, result in _by_title(benchmark):
        for method, one in result["methods"].items():
            if one["n"] < result["n"]:
                gaps.setdefault(method, []).append(f"{name} ({one['n']} of {result['n']})")
            if one["n"] < RANKED_FROM * result["n"]:
                unranked.setdefault(method, []).append(name)
    found = [
        f"{method} has no value for some subjects: {listed(names, MOST)}. Two methods are compared on the subjects for"
        " which both have a value; if values are missing because subjects are hard, this favours the method."
        for method, names in gaps.items()
    ]
    found += [
        f"{method} lacks more than half of the subjects and is not ranked: {listed(names, MOST)}."
        for method, names in unranked.items()
    ]
    return found


def _on_some_subjects(benchmark: Mapping[str, Any]) -> list[str]:
    smaller: dict[int, list[str]] = {}
    for name, result in _by_title(benchmark):
        if 0 < result["n"] < benchmark["n"]:
            smaller.setdefault(result["n"], []).append(name)
    return [
        f"On {count} of {counted(benchmark['n'], 'subject')} only: {listed(names, MOST)}."
        for count, names in sorted(smaller.items())
    ]


def _shared_reason(left_out: Mapping[str, str]) -> str:
    """Why most methods have no value, in brackets; empty where nobody knows."""
    known = [why for why in left_out.values() if why != NO_VALUE]
    common = [why for why, count in Counter(known).items() if 2 * count > len(known)]
    return f" ({common[0]})" if common else ""


def _say_nothing(benchmark: Mapping[str, Any]) -> list[str]:
    """Measures without any value, and those by which all methods are the same."""
    empty: dict[str, list[str]] = {}
    for name, result in _by_title(benchmark):
        if not result["methods"]:
            empty.setdefault(_shared_reason(result["left_out"]), []).append(name)
    same = [
        name
        for name, result in _by_title(benchmark)
        if len({one["mean"] for one in result["methods"].values()}) == 1
        and len(result["methods"]) > 1
        and all(not one["sd"] for one in result["methods"].values())
    ]
    found = [f"No method has a value for {listed(names, MOST)}{why}." for why, names in empty.items()]
    return found + ([f"All methods have the same value for {listed(same, MOST)}."] if same else [])


def _by_title(benchmark: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The results of each measure, with its title."""
    titles = {one["name"]: title_of(one) for one in benchmark["measures"]}
    return [(titles.get(name, name), result) for name, result in benchmark["results"].items()]
