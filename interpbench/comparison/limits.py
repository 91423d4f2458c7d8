"""What a benchmark's numbers do not allow one to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.families import FamilyName, Question, name_of, place_of
from interpbench.comparison.one_measure import powerless
from interpbench.comparison.statistics import ALPHA
from interpbench.comparison.wording import amount, listed, title_of

LEARNED = "{learned}"  # in what a measure declares: stands for the methods that learned; without any, nothing is said
POWER = 0.8  # how often a difference should be found that is called one that would have been found


def detectable_differences(benchmark: Mapping[str, Any], leading: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which differences these subjects would have shown, by measure.

    `(z(1 - alpha / 2m) + z(power)) * SE`, with m comparisons and the standard error SE of a paired mean difference,
    as the width of its interval tells; the median over pairs.
    """
    from scipy.special import ndtri

    shown = []
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        widths = [pair["difference_interval"] for pair in result["pairs"] if pair["difference_interval"]]
        if widths and not powerless(result):
            error = float(np.median(np.ptp(widths, axis=1))) / (2 * float(ndtri(1 - ALPHA / 2)))
            times = float(ndtri(1 - ALPHA / (2 * len(result["pairs"]))) + ndtri(POWER))
            shown.append(f"{title_of(measure)} {amount(times * error, measure['unit'])} (n = {result['n']})")
    if not shown:
        return []
    return [
        (
            "Methods that are not distinguished need not be equal. A true difference of this size would have been found"
            f" with a power of 80 %: {'; '.join(shown)}. A smaller one may exist. (For a pair of median spread, at the"
            " strictest step of Holm's correction, by the normal approximation.)"
        )
    ]


def limits(benchmark: Mapping[str, Any]) -> list[tuple[Question, str]]:
    """What cannot be concluded, with its question: what measures with values declare, once, and what holds for all."""
    able = [
        one
        for one in benchmark["measures"]
        if one["direction"] and benchmark["results"].get(one["name"], {"methods": {}})["methods"]
    ]
    learned = [one["name"] for one in benchmark["methods"] if one.get("learned") and not one.get("blurred")]
    declared: dict[str, FamilyName] = {}
    for one in sorted(able, key=place_of):
        declared.setdefault(one.get("limits") or "", name_of(one))
    found: list[tuple[Question, str]] = [
        (family, limit.replace(LEARNED, listed(learned)))
        for limit, family in declared.items()
        if limit and (learned or LEARNED not in limit)
    ]
    if able:
        tests = (
            "Tests are corrected for all comparisons within one measure, not across measures: among many measures some"
            " find differences by chance. Intervals are for one figure: a difference whose interval excludes"
            " 0 may still fail the corrected test."
        )
        meaning = (
            "Maps show what this network uses. They do not show what ages a brain, or what matters for a person's"
            " health."
        )
        found += [("", tests), ("", meaning)]
    return found
