"""The page of a benchmark: what the numbers allow one to say first, then the numbers, pictures and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.comparison.families import of_family
from interpbench.comparison.wording import title_of
from interpbench.report.benchmark.critical_difference import Ranks, critical_difference_png
from interpbench.report.benchmark.curve_grid import MOST, Line, Panel, curve_grid_png
from interpbench.report.benchmark.dot_plot import Dot, dot_plot_png
from interpbench.report.benchmark.folded import folded_sentences
from interpbench.report.benchmark.matrix import anchor_of, matrix_of
from interpbench.report.benchmark.order import (
    Place,
    Record,
    check_names,
    counted_in,
    has_values,
    measure_columns,
    methods_of,
    number,
    pair,
    places_by,
    places_of,
    titles_of,
)
from interpbench.report.benchmark.predictor_figures import predictor_figures
from interpbench.report.benchmark.tables import (
    column_of,
    detail_of,
    in_words,
    lead,
    mark_of,
    method_rows,
    p_told,
    row_kind,
    tau_rows,
    unit_of,
)
from interpbench.report.drawing import LOOKS_IN_WORDS, MethodStyle, method_style
from interpbench.report.page import inlined, inlined_pictures, write_html

BANDS = 3  # curves with a band


def write_benchmark_page(
    path: Path | str,
    summary: Mapping[str, Any],
    *,
    title: str = "interpbench benchmark",
    pictures: Sequence[tuple[str, Path]] = (),
    headline: Sequence[str] | None = None,
    sort_by: str | None = None,
    coloured: Sequence[str] | None = None,
    commands: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write the page. It opens without a network, runs no script, and forbids the browser both.

    Args:
        path: of the HTML file, which appears whole or not at all.
        summary: what `benchmark.json` holds.
        title: its heading.
        pictures: captions and PNG files, such as those of `method_maps`; the files' bytes go into the page.
        headline: measures that get a column of the first table and plots, in this order; by default those that lead
            the verdict, and a few beside them.
        sort_by: a measure by which methods are sorted; by default by their mean rank over the headline measures that
            only a right map can win.
        coloured: methods whose curves have a colour of their own, at most seven; by default those that learn, then the
            first of the table.
        commands: what to type to get the same again, line by line.
        versions: software and its version.

    Raises:
        UsageError: a measure or method that is asked for is not in the benchmark.
        InputError: a picture cannot be read.
    """
    check_names(coloured or (), methods_of(summary), "method")
    columns = measure_columns(summary, headline)
    counted = [sort_by] if sort_by else [name for name in counted_in(summary) if has_values(summary, name)]
    places = places_by(summary, sort_by) if sort_by else places_of(summary, counted)
    titles = titles_of(summary)
    looks = {name: _look(method) for name, method in methods_of(summary).items()}
    costs = [one for one in summary["measures"] if of_family("cost", one) and has_values(summary, one["name"])]
    unblurred = [place for place in places if not methods_of(summary)[place.name]["blurred"]]
    curves, curves_note = _curves(summary, unblurred, coloured)
    agreement = summary.get("agreement")
    write_html(
        path,
        "benchmark.html",
        title=title,
        beliefs=[(lead(one["sentence"]), one["notes"]) for one in summary.get("beliefs") or []],
        doubts=summary.get("doubts") or [],
        matrix=matrix_of(summary, places),
        verdict=folded_sentences(summary),
        warnings=summary.get("warnings") or [],
        about=_about(summary),
        figures=predictor_figures(summary.get("predictor") or {}, str(summary.get("unit", ""))),
        methods=[
            (name, *row_kind(one), one, in_words(one.get("options") or {})) for name, one in methods_of(summary).items()
        ],
        columns=[column_of(summary, one) for one in columns],
        rows=method_rows(summary, columns, places, len(counted)),
        sorted_by=titles[sort_by] if sort_by else None,
        counted=[titles[one] for one in counted],
        pictures=inlined_pictures(pictures),
        plots=[(column_of(summary, one), *_plots(summary, one, looks)) for one in columns],
        looks=LOOKS_IN_WORDS,
        curves=curves,
        curves_note=curves_note,
        details=[
            (anchor_of(summary, one), detail_of(summary, one))
            for one in summary["measures"]
            if has_values(summary, one["name"])
        ],
        agreement=agreement,
        agreement_p=p_told(number(agreement.get("p"))) if agreement else "",
        taus=tau_rows(summary, agreement) if agreement else [],
        cost_columns=[column_of(summary, one) for one in costs],
        cost_rows=method_rows(summary, costs, unblurred, len(counted)),
        break_even=summary.get("break_even") or [],
        commands=commands,
        versions=versions or {},
        settings=[(name, in_words(value)) for name, value in _settings(summary) if value is not None],
    )


def _look(method: Record) -> MethodStyle:
    return method_style(floor=method["kind"] == "floor", learned=method["learned"], blurred=method["blurred"])


def _settings(summary: Record) -> list[tuple[str, Any]]:
    given = [(name, summary.get(name)) for name in ("seed", "subjects")]
    network = [(f"predictor: {name}", value) for name, value in (summary.get("predictor") or {}).items()]
    return [*given, *(summary.get("settings") or {}).items(), *network]


def _about(summary: Record) -> str:
    """What was measured, on how many subjects, in one sentence."""
    methods = list(methods_of(summary).values())
    floors = sum(one["kind"] == "floor" for one in methods)
    copies = sum(bool(one["blurred"]) for one in methods)
    curves = sum(bool(one.get("steps")) for one in summary["measures"])
    metrics = list(dict.fromkeys(one["metric"] for one in summary["measures"]))
    parts = [_counted(len(methods) - floors - copies, "method"), _counted(copies, "blurred copy", "blurred copies")]
    return (
        f"The same predictor and the same subjects for all methods, n = {summary.get('n')}:"
        f" {', '.join(parts)} and {_counted(floors, 'floor')}, by"
        f" {_counted(len(summary['measures']) - curves, 'measure')} and {_counted(curves, 'curve')} of"
        f" {_counted(len(metrics), 'metric')} ({', '.join(metrics)})."
    )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _plots(summary: Record, measure: Record, looks: Mapping[str, MethodStyle]) -> tuple[str, str]:
    """The dot plot and the critical-difference plot of a measure, as addresses; empty where there is none."""
    result = summary["results"][measure["name"]]
    known = {name: number(one.get("mean")) for name, one in result["methods"].items()}
    dots = [
        Dot(
            place.name,
            value,
            pair(result["methods"][place.name].get("interval")),
            looks[place.name],
            bool(mark_of(result, place.name)),
        )
        for place in places_by(summary, measure["name"])
        if (value := known.get(place.name)) is not None
    ]
    column = column_of(summary, measure)
    lines = "lines: 95 % intervals" if any(dot.interval for dot in dots) else "too few subjects for intervals"
    dotted = dot_plot_png(
        dots,
        title=column.title,
        axis=column.unit,
        note=f"{column.better}; {lines}",
        chance=number(measure.get("chance")),
    )
    ranks = {name: number(one.get("mean_rank")) for name, one in result["methods"].items()}
    ranked = {name: rank for name, rank in ranks.items() if rank is not None}
    if len(ranked) < 2:
        return inlined(dotted), ""
    ranks_drawn = critical_difference_png(
        Ranks(
            f"{column.title}: mean ranks over subjects",
            ranked,
            result.get("groups") or (),
            looks,
            column.note or "1 is best; a bar joins methods that are not distinguished, dots mark its members",
        )
    )
    return inlined(dotted), inlined(ranks_drawn)


@dataclass(frozen=True)
class _Curves:
    """The curves of one metric."""

    metric: str
    names: str
    image: str


def _curves(summary: Record, unblurred: Sequence[Place], coloured: Sequence[str] | None) -> tuple[list[_Curves], str]:
    """A picture of curves for each metric that has some, and words on who is drawn how."""
    methods = methods_of(summary)
    curves = [one for one in summary["measures"] if one.get("steps") and summary.get("curves", {}).get(one["name"])]
    there = {name for one in curves for name in summary["curves"][one["name"]]}
    floors = [place.name for place in unblurred if place.name in there and methods[place.name]["kind"] == "floor"]
    own = [place.name for place in unblurred if place.name in there and place.name not in floors]
    chosen = _first(own, methods, MOST) if coloured is None else list(dict.fromkeys(coloured))
    banded = _first(chosen, methods, BANDS)
    drawn = [*dict.fromkeys([*chosen, *own, *floors])]
    found = []
    for metric in dict.fromkeys(one["metric"] for one in curves):
        panels = [_panel(summary, one, drawn) for one in curves if one["metric"] == metric]
        columns = min(len(panels), 4)
        image = curve_grid_png(panels, coloured=chosen, banded=banded, floors=floors, columns=columns)
        found.append(_Curves(metric, ", ".join(panel.title for panel in panels), inlined(image)))
    words = "Means over subjects."
    if banded:
        words += f" Bands: 95 % intervals of {', '.join(banded)}; benchmark.json has those of all."
    pale = [name for name in own if name not in chosen]
    if pale:
        words += (f" In colours: methods that need fitting, then the first ones of the table, {MOST} in all.") * (
            coloured is None
        )
        words += f" Pale lines: {', '.join(pale)}."
    if floors:
        words += " Grey: floors."
    hidden = sum(name in there and name not in drawn for name in methods)
    if hidden:
        words += f" Not drawn: {_counted(hidden, 'blurred copy', 'blurred copies')};"
        words += " curves.tsv has them."
    return found, words


def _first(names: Sequence[str], methods: Mapping[str, Record], most: int) -> list[str]:
    """Those that learn, and the first of the others, so many in all; in the order of the table."""
    learned = [name for name in names if methods[name]["learned"]]
    first = [*learned, *(name for name in names if name not in learned)][:most]
    return [name for name in names if name in first]


def _panel(summary: Record, measure: Record, drawn: Sequence[str]) -> Panel:
    found = summary["curves"][measure["name"]]
    lines = []
    for name in drawn:
        curve = found.get(name)
        if curve is None:
            continue
        values = [float("nan") if number(value) is None else float(value) for value in curve["mean"]]
        lines.append(Line(name, measure["steps"], values, [pair(one) for one in curve.get("interval") or ()]))
    x = measure.get("steps_name") or "step"
    return Panel(title_of(measure), x, unit_of(summary, measure), lines, axis=measure.get("axis") or "")
