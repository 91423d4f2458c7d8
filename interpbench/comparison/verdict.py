"""The conclusions that a benchmark's figures allow, and their limits, as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from interpbench.comparison.break_even import describe_break_even
from interpbench.comparison.families import FamilyName, Question, family_of, name_of
from interpbench.comparison.headline import (
    against_floors,
    headlines,
    leader,
    smoothing_effects,
    spokesmen,
    unbeaten,
)
from interpbench.comparison.limits import detectable_differences, limits
from interpbench.comparison.one_measure import powerless
from interpbench.comparison.sanity import sanity
from interpbench.comparison.statistics import ALPHA
from interpbench.comparison.wording import chance, counted, listed, three_digits, title_of

Said = tuple[Question, str]  # a sentence, and before it the question that it answers


def verdict(benchmark: Mapping[str, Any]) -> list[Said]:
    """The sentences of a benchmark, each with its question, from its figures alone.

    Args:
        benchmark: what `summarise` makes, less its sentences.
    """
    every = benchmark["methods"]
    masks = [one["name"] for one in every if one.get("kind") == "floor"]
    floors = [one["name"] for one in every if one.get("kind") == "floor" and not one.get("template")]
    own = [one["name"] for one in every if one.get("kind") != "floor" and not one.get("blurred")]
    leading, copies = headlines(benchmark), _copies(benchmark)
    found: list[Said] = [("", _scope(benchmark))]
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        parts = [
            *leader(measure, result, masks),
            *against_floors(measure, result, own, floors),
            *smoothing_effects(measure, result, own, copies),
        ]
        found += [(name_of(measure), part) for part in parts]
    return [
        *found,
        *_all_of("", _never_above_floors(benchmark, leading, own, floors)),
        *_like_the_template(benchmark, leading, own),
        *_all_of("", _tally(benchmark)),
        *_variants(benchmark),
        *_all_of("", _agreement(benchmark)),
        *_all_of("randomisation", sanity(benchmark, own)),
        *_all_of("cost", _cost(benchmark)),
        *_all_of("", detectable_differences(benchmark, leading)),
        *limits(benchmark),
    ]


def _all_of(question: Question, sentences: Sequence[str]) -> list[Said]:
    return [(question, sentence) for sentence in sentences]


def _scope(benchmark: Mapping[str, Any]) -> str:
    if not any(result["methods"] for result in benchmark["results"].values()):
        return "No measure has a value, so there is no conclusion."
    return (
        f"One predictor and {counted(benchmark['n'], 'subject')}: all conclusions are about these. Trained again, or on"
        " other data, the network would differ, and so may the order of the methods."
    )


def _copies(benchmark: Mapping[str, Any]) -> dict[str, str]:
    """Each method and its blurred copy, found by the name before the last `+`, or else by the method."""
    plain = {one["name"]: one.get("method") for one in benchmark["methods"] if not one.get("blurred")}
    found = {}
    for one in benchmark["methods"]:
        if one.get("blurred"):
            stem = one["name"].rpartition("+")[0]
            of = [stem] if stem in plain else [name for name, method in plain.items() if method == one.get("method")]
            found.update(dict.fromkeys(of[:1], one["name"]))
    return found


def _never_above_floors(
    benchmark: Mapping[str, Any], leading: Sequence[Mapping[str, Any]], own: Sequence[str], floors: Sequence[str]
) -> list[str]:
    """Methods that no leading measure shows to be better than all floors."""
    tested, above = set(), set()
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        here = [name for name in floors if name in result["methods"]]
        if here and not powerless(result):
            entered = {name for name in own if name in result["methods"]}
            tested |= entered
            above |= {name for name in entered if not unbeaten(measure, result, name, here)}
    below = [name for name in own if name in tested - above]
    if not below:
        return []
    whose = "its" if len(below) == 1 else "their"
    return [
        (
            f"{listed(below, 12)}: not shown to be better than all floors on any of the leading measures. This"
            f" benchmark gives no reason to believe {whose} maps."
        )
    ]


def _like_the_template(
    benchmark: Mapping[str, Any], leading: Sequence[Mapping[str, Any]], own: Sequence[str]
) -> list[Said]:
    """Methods that are not better than one map for all subjects."""
    templates = [one["name"] for one in benchmark["methods"] if one.get("template")]
    found: list[Said] = []
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        here = [name for name in templates if name in result["methods"]]
        entered = [name for name in own if name in result["methods"]]
        stopped = [] if powerless(result) else [name for name in entered if unbeaten(measure, result, name, here)]
        if stopped:
            sentence = (
                f"{title_of(measure)}: not shown to be better than the template, one map for all subjects:"
                f" {listed(stopped)}. By this measure, nothing shows that their maps are"
                " specific to the subjects."
            )
            found.append((name_of(measure), sentence))
    return found


def _tally(benchmark: Mapping[str, Any]) -> list[str]:
    """How often each row of the table is the best, or not distinguished from it, among all measures of quality."""
    results = [
        benchmark["results"][one["name"]]
        for one in benchmark["measures"]
        if one["direction"] and family_of(one).wins and one["name"] in benchmark["results"]
    ]
    results = [one for one in results if one["pairs"] and one["best"] and not powerless(one)]
    counts = Counter(name for one in results for name in one["best"])
    leaders = sorted(counts, key=lambda name: -counts[name])
    if len(results) < 2 or not leaders:
        return []
    return [
        (
            f"Best or not distinguished from the best, of {len(results)} measures with a direction (cost and sanity"
            f" apart): {listed([f'{name} on {counts[name]}' for name in leaders[:5]])}."
            " Many of these measures are similar, so this is a summary, not a vote."
        )
    ]


def _variants(benchmark: Mapping[str, Any]) -> list[Said]:
    """Whether the winner by a metric depends on which of several ways its figure is taken."""
    best: dict[tuple[FamilyName, str, str], dict[str, list[str]]] = {}
    for measure in benchmark["measures"]:
        result = benchmark["results"].get(measure["name"])
        if result and measure.get("variant") and result["best"] and not powerless(result):
            metric = measure["metric"].replace("_", " ")
            best.setdefault((name_of(measure), metric, measure["varied"]), {})[measure["variant"]] = result["best"]
    found: list[Said] = []
    for (family, metric, varied), winners in best.items():
        always = [name for name in next(iter(winners.values())) if all(name in some for some in winners.values())]
        if len(winners) < 2:
            continue
        if always:
            sentence = (
                f"Whatever {varied} ({listed(list(winners))}), best or not distinguished from the best in {metric}:"
                f" {listed(always)}."
            )
        else:
            firsts = listed([f"{some[0]} with {name}" for name, some in winners.items()])
            sentence = (
                f"The best method in {metric} depends on what {varied}: {firsts}. No method is among"
                " the best with all of them."
            )
        found.append((family, sentence))
    return found


def _agreement(benchmark: Mapping[str, Any]) -> list[str]:
    found = benchmark["agreement"]
    if not found:
        return []
    w = found["kendall_w"]
    if found["p"] >= ALPHA:
        meaning = "no more than by chance"
    else:
        meaning = "largely" if w >= 0.7 else "in part" if w >= 0.4 else "hardly"
    consequence = "" if meaning == "largely" else "; which method is best depends on the purpose of a map"
    text = (
        f"{len(found['measures'])} measures that rank {len(found['methods'])} methods (floors and smoothed copies"
        f" apart) agree {meaning}: Kendall's W = {three_digits(w)}, where 1 is full agreement"
        f" ({chance(found['p'])}){consequence}."
    )
    titles = {measure["name"]: title_of(measure) for measure in benchmark["measures"]}
    pairs = [(value, one, other) for one, row in found["tau"].items() for other, value in row.items() if one < other]
    least, one, other = min(pairs)
    return [
        text
        + (
            f" {titles[one]} and {titles[other]} rank them in nearly opposite order (tau {three_digits(least)})."
            if least < -0.3
            else ""
        )
    ]


def _cost(benchmark: Mapping[str, Any]) -> list[str]:
    """What each learned method pays off against, and what it never does."""
    found = []
    timed = spokesmen("cost", benchmark["measures"], benchmark["results"])
    measured = benchmark["results"][timed[0]["name"]]["n"] if timed else 0
    for name in dict.fromkeys(row["learned"] for row in benchmark["break_even"]):
        rows = [row for row in benchmark["break_even"] if row["learned"] == name]
        paying = sorted((row for row in rows if row["subjects"] is not None), key=lambda row: int(row["subjects"]))
        never = [row["other"] for row in rows if row["subjects"] is None]
        parts = [describe_break_even(row) for row in paying[:1]]
        later = [f"{row['other']} from {row['subjects']}" for row in paying[1:]]
        if later:
            parts.append(f"Later ones: {listed(later)}.")
        if never:
            parts.append(
                f"{name} takes no less time per subject than {listed(never)}, so for many subjects it saves none."
            )
        found.append(f"Cost (mean times of n = {measured}): {' '.join(parts)}")
    return found
