"""Sentences that say what a benchmark's numbers allow one to say, and what not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from interpbench.comparison.break_even import describe_break_even
from interpbench.comparison.headline import against_floors, headlines, leader, smoothness, unbeaten
from interpbench.comparison.limits import limits, reach
from interpbench.comparison.one_measure import powerless
from interpbench.comparison.statistics import ALPHA
from interpbench.comparison.wording import between, chance, counted, listed, number

ALIKE = 0.5  # rank correlation from which two maps count as largely the same
TEMPLATE = "template"  # the floor that is a method's mean map, given to everybody
NOT_QUALITY = ("cost", "randomisation", "complexity")  # metrics that are not counted as wins


def verdict(benchmark: Mapping[str, Any]) -> list[str]:
    """The sentences of a benchmark, from its figures alone.

    Args:
        benchmark: what `summarise` makes, less `verdict` and `warnings`.
    """
    every = benchmark["methods"]
    masks = [one["name"] for one in every if one.get("kind") == "floor"]
    floors = [one["name"] for one in every if one.get("kind") == "floor" and one.get("method") != TEMPLATE]
    own = [one["name"] for one in every if one.get("kind") != "floor" and not one.get("blurred")]
    leading, copies = headlines(benchmark), _copies(benchmark)
    found = [_scope(benchmark)]
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        found += leader(measure, result, masks)
        found += against_floors(measure, result, own, floors)
        found += smoothness(measure, result, own, copies)
    return [
        *found,
        *_never_above_floors(benchmark, leading, own, floors),
        *_like_the_template(benchmark, leading, own),
        *_tally(benchmark),
        *_imputers(benchmark),
        *_agreement(benchmark),
        *_sanity(benchmark, own),
        *_cost(benchmark),
        *reach(benchmark, leading),
        *limits(benchmark),
    ]


def _scope(benchmark: Mapping[str, Any]) -> str:
    if not any(result["methods"] for result in benchmark["results"].values()):
        return "No measure has a value, so nothing can be said."
    return (
        f"One predictor and {counted(benchmark['n'], 'subject')}: all that follows is about these. Trained again, or on"
        " other data, the network is another one, and the order of the methods may be too."
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
) -> list[str]:
    """Methods that are no better than one map for everybody."""
    templates = [one["name"] for one in benchmark["methods"] if one.get("method") == TEMPLATE]
    found = []
    for measure in leading:
        result = benchmark["results"][measure["name"]]
        here = [name for name in templates if name in result["methods"]]
        entered = [name for name in own if name in result["methods"]]
        stopped = [] if powerless(result) else [name for name in entered if unbeaten(measure, result, name, here)]
        if stopped:
            found.append(
                f"{measure['name']}: not shown to be better than the template, one map for everybody:"
                f" {listed(stopped)}. By this measure nothing shows that a map of the person says more than that of the"
                " population."
            )
    return found


def _tally(benchmark: Mapping[str, Any]) -> list[str]:
    """How often each row of the table is first, or not told apart from the first, among all measures of quality."""
    results = [
        benchmark["results"][one["name"]]
        for one in benchmark["measures"]
        if one["direction"] and one["metric"] not in NOT_QUALITY and one["name"] in benchmark["results"]
    ]
    results = [one for one in results if one["pairs"] and one["best"] and not powerless(one)]
    counts = Counter(name for one in results for name in one["best"])
    leaders = sorted(counts, key=lambda name: -counts[name])
    if len(results) < 2 or not leaders:
        return []
    return [
        (
            f"Best or not told apart from the best, of {len(results)} measures with a direction (cost and sanity"
            f" apart): {listed([f'{name} on {counts[name]}' for name in leaders[:5]])}."
            " Many of these measure nearly the same, so this is a summary and no vote."
        )
    ]


def _imputers(benchmark: Mapping[str, Any]) -> list[str]:
    """Whether the winner of deletion depends on what stands in for hidden voxels."""
    best = {
        name.removeprefix("srg_"): result["best"]
        for name, result in benchmark["results"].items()
        if name.startswith("srg_") and result["best"] and not powerless(result)
    }
    if len(best) < 2:
        return []
    always = [name for name in next(iter(best.values())) if all(name in some for some in best.values())]
    if always:
        return [
            (
                f"Whatever stands in for hidden voxels ({listed(list(best))}), best or not told apart from the best in"
                f" deletion: {listed(always)}."
            )
        ]
    firsts = listed([f"{some[0]} with {name}" for name, some in best.items()])
    return [
        (
            f"Who wins deletion depends on what stands in for hidden voxels: {firsts}. No method is among the best with"
            " all of them."
        )
    ]


def _agreement(benchmark: Mapping[str, Any]) -> list[str]:
    found = benchmark["agreement"]
    if not found:
        return []
    w = found["kendall_w"]
    if found["p"] >= ALPHA:
        meaning = "no more than chance would have it"
    else:
        meaning = "largely" if w >= 0.7 else "in part" if w >= 0.4 else "hardly"
    consequence = "" if meaning == "largely" else "; which method is best depends on what is asked of a map"
    text = (
        f"{len(found['measures'])} measures that rank {len(found['methods'])} methods (floors and smoothed copies"
        f" apart) agree {meaning}: Kendall's W = {number(w)}, where 1 is full agreement"
        f" ({chance(found['p'])}){consequence}."
    )
    pairs = [(value, one, other) for one, row in found["tau"].items() for other, value in row.items() if one < other]
    least, one, other = min(pairs)
    return [
        text + (f" {one} and {other} order them in nearly opposite ways (tau {number(least)})." if least < -0.3 else "")
    ]


def _sanity(benchmark: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    """Whether maps stay the same when the network forgets what it learned."""
    after, level, ceiling = (
        benchmark["results"].get(name, {"methods": {}})["methods"]
        for name in ("randomised_spearman_all", "chance_spearman", "refitted_spearman")
    )
    learned = [one["name"] for one in benchmark["methods"] if one.get("learned")]
    chanced, more, alike = list[str](), list[str](), list[str]()
    for name in (name for name in own if name in after):
        figures, floor = after[name], level.get(name, {"mean": 0.0})["mean"]
        spread = between(figures["interval"])
        told = f"{name} {number(figures['mean'])} ({spread}; chance {number(floor)}, n = {figures['n']}"
        if name in learned and name in ceiling:
            told += f"; fitted again; two fits to the intact network {number(ceiling[name]['mean'])}"
        least = figures["interval"][0] if figures["interval"] else figures["mean"]
        kind = alike if figures["mean"] >= ALIKE else chanced if least <= floor else more
        kind.append(told + ")")
    found = []
    if chanced:
        found.append(
            "Sanity, passed: with the weights of all layers randomised, maps are not shown to be more like the original"
            f" ones (rank correlation) than random maps of the same smoothness are: {listed(chanced, 12)}."
        )
    if more:
        found.append(
            "Sanity, in part: with the weights of all layers randomised, maps are more like the original ones (rank"
            " correlation) than chance, so a part of them comes from the image and the architecture and not from what"
            f" the network learned: {listed(more, 12)}."
        )
    if alike:
        found.append(
            "Sanity, failed: maps stay largely the same (rank correlation) when the weights of all layers are"
            f" randomised, so they show something other than what the network learned: {listed(alike, 12)}."
        )
    untested = [name for name in own if name in learned and name not in after]
    if after and untested:
        found.append(
            f"Sanity, not tested: {listed(untested)}. A learned map does not look at the network when it is made, so"
            " only a second fit, to the randomised network, could tell."
        )
    return found


def _cost(benchmark: Mapping[str, Any]) -> list[str]:
    """What each learned method pays off against, and what it never does."""
    found = []
    for name in dict.fromkeys(row["learned"] for row in benchmark["break_even"]):
        rows = [row for row in benchmark["break_even"] if row["learned"] == name]
        paying = sorted((row for row in rows if row["subjects"] is not None), key=lambda row: int(row["subjects"]))
        never = [row["other"] for row in rows if row["subjects"] is None]
        parts = [describe_break_even(row) for row in paying[:1]]
        later = [f"{row['other']} from {row['subjects']}" for row in paying[1:]]
        if later:
            parts.append(f"Later ones: {listed(later)}.")
        if never:
            parts.append(f"Slower for each subject, {name} never pays off in time against {listed(never)}.")
        measured = benchmark["results"].get("seconds", {"n": 0})["n"]
        found.append(f"Cost (mean times of n = {measured}): {' '.join(parts)}")
    return found
