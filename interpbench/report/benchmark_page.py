"""The benchmark's page: what the numbers allow to say, the tables, the plots, the maps. One file, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.report.benchmark_pictures import BETTER, axis_of, curve_plots, dot_plot, rank_plot
from interpbench.report.drawing import LOOKS_IN_WORDS
from interpbench.report.page import inlined, inlined_pictures, write_html

# The columns of the first table, as far as they were measured; measures that others added come after.
HEADLINES = ("auc", "relevance_rank", "noise_tolerance", "noise_spread", "srg_mean", "srg_road", "region_srg_mean",
             "infidelity_corr", "randomised_spearman_all", "seconds", "srg_zero", "ninfd", "max_sensitivity",
             "repeat_icc")  # fmt: skip
BUILT_IN = ("localisation", "deletion", "region_deletion", "noise_tolerance", "infidelity", "sensitivity",
            "repeatability", "randomisation", "complexity", "completeness", "cost")  # fmt: skip
COLUMNS = 10
PLOTS = 6

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One method's figure of one measure."""

    mean: float | None
    interval: tuple[float, float] | None
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One method in the first table."""

    name: str
    kind: str  # method, copy or floor
    note: str
    cells: Sequence[Cell | None]


def write_benchmark_page(
    path: Path | str,
    summary: Summary,
    *,
    pictures: Sequence[tuple[str, Path]] = (),
    commands: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write the page. It opens without a network, and forbids the browser to use one.

    Args:
        path: of the HTML file, which appears whole or not at all.
        summary: the content of `benchmark.json`.
        pictures: captions and PNG files, such as the maps of all methods; their bytes go into the page.
        commands: what to type to get the same again.
        versions: software and its version.
    """
    measures = [one for one in summary["measures"] if not one["steps"]]
    headline = headlines(summary)
    lines = first_table(summary, headline)
    curves = curve_plots(summary, [line.name for line in lines])
    drawn = [measure for measure in headline if measure["metric"] != "cost"][:PLOTS]
    write_html(
        path,
        "benchmark.html",
        title="interpbench benchmark",
        summary=summary,
        headline=headline,
        lines=lines,
        better=BETTER,
        axis=axis_of,
        looks=LOOKS_IN_WORDS,
        dots=[(axis_of(measure), inlined(dot_plot(summary, measure))) for measure in drawn],
        ranks=[
            (str(measure["name"]), inlined(image))
            for measure in drawn
            if (image := rank_plot(summary, measure)) is not None
        ],
        curves=None if curves is None else inlined(curves),
        pictures=inlined_pictures(pictures),
        tables=[(measure, rows_of(summary, measure)) for measure in measures],
        pairs={measure["name"]: against_the_best(summary, measure) for measure in measures},
        warnings=summary["warnings"],
        commands=commands,
        versions=versions or {},
    )


def headlines(summary: Summary) -> list[Mapping[str, Any]]:
    """The measures of the first table: the usual ones, and every one with a direction that others added."""
    known = {
        one["name"]: one
        for one in summary["measures"]
        if not one["steps"] and one["direction"] and _any(summary, one["name"])
    }
    usual = [known[name] for name in HEADLINES if name in known]
    others = [one for name, one in known.items() if name not in HEADLINES and one["metric"] not in BUILT_IN]
    chosen = [*usual[: max(COLUMNS - len(others), 4)], *others]
    return chosen or list(known.values())[:COLUMNS]


def first_table(summary: Summary, headline: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Every method with its headline measures, by its mean rank over them."""
    order: dict[str, list[float]] = {one["name"]: [] for one in summary["methods"]}
    for measure in headline:
        if measure["metric"] == "cost":
            continue
        for name, one in summary["results"][measure["name"]]["methods"].items():
            if one["mean_rank"] is not None and name in order:
                order[name].append(float(one["mean_rank"]))
    lines = [
        Line(
            name=one["name"],
            kind="floor" if one["kind"] == "floor" else "copy" if one["blurred"] else "method",
            note=one.get("note") or "",
            cells=[cell_of(summary["results"][measure["name"]], one["name"]) for measure in headline],
        )
        for one in summary["methods"]
    ]
    return sorted(lines, key=lambda line: sum(order[line.name]) / len(order[line.name]) if order[line.name] else 1e9)


def cell_of(result: Mapping[str, Any], name: str) -> Cell | None:
    """A method's figure in one measure; None where the measure does not apply to it."""
    one = result["methods"].get(name)
    if one is None:
        return None
    interval = one["interval"]
    return Cell(one["mean"], None if interval is None else (interval[0], interval[1]), name in result["best"])


def rows_of(summary: Summary, measure: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], bool]]:
    """Name, figures and whether it is among the best, for each method, the best mean first."""
    result = summary["results"][measure["name"]]
    sign = 1 if measure["direction"] == "lower" else -1
    rows = [(name, one, name in result["best"]) for name, one in result["methods"].items()]
    return sorted(rows, key=lambda row: (row[1]["mean"] is None, sign * (row[1]["mean"] or 0.0), row[0]))


def against_the_best(summary: Summary, measure: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The best mean compared with every other method, as its minus theirs."""
    result = summary["results"][measure["name"]]
    means = {name: one["mean"] for name, one in result["methods"].items() if one["mean"] is not None}
    if not measure["direction"] or len(means) < 2:
        return []
    best = (max if measure["direction"] == "higher" else min)(means, key=lambda name: means[name])
    found = []
    for pair in result["pairs"]:
        if best not in (pair["a"], pair["b"]):
            continue
        mine = pair["a"] == best
        sign, bounds = (1 if mine else -1), pair["difference_interval"]
        found.append({
            **pair,
            "a": best,
            "b": pair["b"] if mine else pair["a"],
            "difference": None if pair["difference"] is None else sign * pair["difference"],
            "interval": None if bounds is None else tuple(sorted(sign * bound for bound in bounds)),
            "effect": None if pair["effect"] is None else sign * pair["effect"],
        })  # fmt: skip
    return found


def _any(summary: Summary, name: str) -> bool:
    return any(one["mean"] is not None for one in summary["results"].get(name, {"methods": {}})["methods"].values())
