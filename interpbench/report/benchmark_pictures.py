"""From a benchmark's figures to its plots: ranks, dots with intervals, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from interpbench.report.critical_difference import Ranks, critical_difference_png
from interpbench.report.curve_grid import MOST, Line, Panel, curve_grid_png
from interpbench.report.dot_plot import Dot, dot_plot_png
from interpbench.report.drawing import Look, look_of

BETTER = {"higher": "higher is better", "lower": "lower is better"}
FEWEST = 2  # methods that can be ranked


def looks_of(summary: Mapping[str, Any]) -> dict[str, Look]:
    """How each method is drawn."""
    return {
        one["name"]: look_of(floor=one["kind"] == "floor", learned=bool(one["learned"]), blurred=bool(one["blurred"]))
        for one in summary["methods"]
    }


def axis_of(measure: Mapping[str, Any]) -> str:
    """What an axis says of a measure: its name, with its unit."""
    return f"{measure['name']} ({measure['unit']})" if measure["unit"] else str(measure["name"])


def rank_plot(summary: Mapping[str, Any], measure: Mapping[str, Any]) -> bytes | None:
    """The critical-difference plot of one measure; None where too few methods have ranks."""
    result = summary["results"][measure["name"]]
    ranks = {
        name: float(one["mean_rank"]) for name, one in result["methods"].items() if one["mean_rank"] is not None
    }
    if len(ranks) < FEWEST:
        return None
    note = f"mean ranks over {result['n']} subjects; a bar joins methods that are not told apart (Wilcoxon, Holm, 5 %)"
    return critical_difference_png(Ranks(str(measure["name"]), ranks, result["groups"], looks_of(summary), note))


def dot_plot(summary: Mapping[str, Any], measure: Mapping[str, Any]) -> bytes:
    """Means with their intervals, the best method first."""
    result, looks = summary["results"][measure["name"]], looks_of(summary)
    dots = [
        Dot(
            name=name,
            value=float(one["mean"]),
            interval=None if one["interval"] is None else (one["interval"][0], one["interval"][1]),
            look=looks.get(name, Look()),
            best=name in result["best"],
        )
        for name, one in result["methods"].items()
        if one["mean"] is not None
    ]
    dots.sort(key=lambda dot: (-dot.value if measure["direction"] != "lower" else dot.value, dot.name))
    note = f"{BETTER.get(measure['direction'], 'shown only')}, n = {result['n']}"
    return dot_plot_png(
        dots, title=str(measure["name"]), axis=axis_of(measure), note=note, chance=measure["chance"]
    )


def curve_plots(summary: Mapping[str, Any], favourites: Sequence[str]) -> bytes | None:
    """Every curve of the benchmark, the methods themselves only, without blurred copies; None where there is none.

    Args:
        favourites: methods in the order in which they get a colour, as far as there are colours.
    """
    kinds = {one["name"]: one for one in summary["methods"]}
    own = [name for name in favourites if name in kinds and kinds[name]["kind"] != "floor"]
    coloured = [name for name in own if not kinds[name]["blurred"]][:MOST]
    floors = [name for name, one in kinds.items() if one["kind"] == "floor"]
    panels = []
    for measure in summary["measures"]:
        curves = summary["curves"].get(measure["name"]) or {}
        lines = [
            Line(name, measure["steps"], [math.nan if value is None else value for value in curve["mean"]],
                 [None if pair is None else (pair[0], pair[1]) for pair in curve["interval"]])
            for name, curve in curves.items()
            if name in kinds and not kinds[name]["blurred"]
        ]  # fmt: skip
        if lines:
            number = max(curve["n"] for curve in curves.values())
            panels.append(
                Panel(str(measure["name"]), str(measure["steps_name"]), str(measure["unit"]), lines, f"n = {number}")
            )
    return curve_grid_png(panels, coloured=coloured, floors=floors) if panels else None
