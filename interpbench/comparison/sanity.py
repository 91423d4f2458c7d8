"""Whether maps stay the same when the network forgets what it learned (Adebayo et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from interpbench.comparison.headline import spokesmen
from interpbench.comparison.wording import between, listed, three_digits, title_of

ALIKE = 0.5  # likeness from which two maps count as largely the same
MOST = 12  # names in one sentence


def sanity(benchmark: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    """Which maps pass, by each metric of randomised weights.

    Args:
        own: the methods, without floors and smoothed copies.
    """
    measures = spokesmen("randomisation", benchmark["measures"], benchmark["results"])
    return [sentence for measure in measures for sentence in _by_one(benchmark, measure, own)]


def passing(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> Literal["ahead", "behind", "fails"]:
    """Whether one method's maps pass: ahead where they are no more alike than random maps, behind where a part is."""
    results = benchmark["results"]
    figures, level = results[measure["name"]]["methods"][name], _chance_of(benchmark, measure, name)
    least = figures["interval"][0] if figures["interval"] else figures["mean"]
    return "fails" if figures["mean"] >= ALIKE else "ahead" if least <= level else "behind"


def _chance_of(benchmark: Mapping[str, Any], measure: Mapping[str, Any], name: str) -> float:
    """The likeness of two random maps as smooth as this method's."""
    levels = benchmark["results"].get(measure.get("chance_by"), {"methods": {}})["methods"]
    return float(levels.get(name, {"mean": measure.get("chance") or 0.0})["mean"])


def _by_one(benchmark: Mapping[str, Any], measure: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    after, ceiling = (
        benchmark["results"].get(name, {"methods": {}})["methods"]
        for name in (measure["name"], measure.get("ceiling_by"))
    )
    learned = [one["name"] for one in benchmark["methods"] if one.get("learned")]
    chanced, more, alike = list[str](), list[str](), list[str]()
    for name in (name for name in own if name in after):
        figures, floor = after[name], _chance_of(benchmark, measure, name)
        told = f"{name} {three_digits(figures['mean'])} ({between(figures['interval'])}; chance {three_digits(floor)}"
        told += f", n = {figures['n']}"
        if name in learned and name in ceiling:
            told += f"; fitted again; two fits to the intact network {three_digits(ceiling[name]['mean'])}"
        {"fails": alike, "ahead": chanced, "behind": more}[passing(benchmark, measure, name)].append(told + ")")
    how = measure.get("question") or title_of(measure)
    found = []
    if chanced:
        found.append(
            "Sanity check passed: with randomised weights of all layers, maps are not shown to be"
            " more similar to the original"
            f" ones ({how}) than random maps of the same smoothness are: {listed(chanced, MOST)}."
        )
    if more:
        found.append(
            "Sanity check passed in part: with randomised weights of all layers, maps are more"
            " similar to the original ones"
            f" ({how}) than by chance. A part of them comes from the image and the architecture, not from what"
            f" the network learned: {listed(more, MOST)}."
        )
    if alike:
        found.append(
            f"Sanity check failed: maps stay largely the same ({how}) when the weights of all layers are"
            f" randomised, so they show something other than what the network learned: {listed(alike, MOST)}."
        )
    untested = [name for name in own if name in learned and name not in after]
    if after and untested:
        found.append(
            f"Sanity check not done: {listed(untested)}. A fitted method does not use the network"
            " when it makes a map, so"
            " only a second fit, to the randomised network, could show this."
        )
    return found
