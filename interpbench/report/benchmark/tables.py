"""The tables of the benchmark's page: figures as a reader sees them, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from interpbench.comparison.one_measure import powerless
from interpbench.comparison.wording import three_digits, title_of
from interpbench.report.benchmark.digits import Bounds, Write, alike
from interpbench.report.benchmark.order import Place, Record, methods_of, number, pair, places_by, titles_of
from interpbench.report.page import NONE, shown

BETTER = {
    "higher": "\N{UPWARDS ARROW} higher is better",
    "lower": "\N{DOWNWARDS ARROW} lower is better",
    None: "shown only, not used for ranking",
}
COLD, WARM = (33, 102, 172), (230, 130, 50)  # blue and orange: the ends of the scale of tau


@dataclass(frozen=True)
class Column:
    """A measure as the head of a column says it."""

    name: str
    title: str
    better: str
    unit: str
    n: int | None
    help: str
    chance: str
    note: str

    @property
    def arrow(self) -> str:
        """`better`, as short as it can be said."""
        return self.better.split(" is ")[0].split(",")[0]


@dataclass(frozen=True)
class Cell:
    """A mean, its interval, and in words whether it belongs to the best."""

    value: str
    interval: str = ""
    mark: str = ""  # "best", "best mean" or "tied"
    note: str = ""  # a number of subjects that differs from the column's, or why there is no value


@dataclass(frozen=True)
class MethodRow:
    """One method. `kind` is method, blurred or floor; `words` say it."""

    name: str
    kind: str
    words: str
    rank: str
    ranked: str
    cells: Sequence[Cell]
    note: str


@dataclass(frozen=True)
class DetailRow:
    """One method in one measure, beside the one with the best mean."""

    name: str
    kind: str
    words: str
    cell: Cell
    n: str
    median: str
    rank: str
    difference: str
    difference_interval: str
    p: str
    effect: str


@dataclass(frozen=True)
class Detail:
    """All of one measure."""

    column: Column
    test: str
    reference: str  # the method with the best mean; empty where there is none
    rows: Sequence[DetailRow]
    absent: Sequence[tuple[str, str]]  # methods without a value, and why


def column_of(summary: Record, measure: Record) -> Column:
    """The head of a measure's column."""
    result = summary["results"].get(measure["name"], {})
    chance = number(measure.get("chance"))
    few = measure.get("direction") and len(result.get("methods", {})) > 1 and powerless(result)
    return Column(
        measure["name"],
        title_of(measure),
        BETTER.get(measure.get("direction"), BETTER[None]),
        unit_of(summary, measure),
        result.get("n"),
        _sentence(str(measure.get("help") or "")),
        "" if chance is None else three_digits(chance),
        "Too few subjects to distinguish any two methods" if few else "",
    )


def _sentence(text: str) -> str:
    """With a capital letter, and no full stop: the page sets that."""
    text = text.strip().rstrip(".")
    return text[:1].upper() + text[1:]


def unit_of(summary: Record, measure: Record) -> str:
    """A measure's unit; what has none says so."""
    return str(measure.get("unit") or "").replace("{unit}", str(summary.get("unit", ""))) or "no unit"


def row_kind(method: Record) -> tuple[str, str]:
    """A method's kind, and the words beside its name that say it."""
    if method["kind"] == "floor":
        return "floor", "floor: does not use the network"
    if method["blurred"]:
        return "blurred", "blurred copy"
    return "method", "learned" if method["learned"] else ""


def method_rows(summary: Record, measures: Sequence[Record], places: Sequence[Place], counted: int) -> list[MethodRow]:
    """One row a method, one cell a measure."""
    methods = methods_of(summary)
    rows = []
    for place in places:
        method = methods[place.name]
        kind, words = row_kind(method)
        cells = [cell_of(summary["results"].get(one["name"], {}), place.name) for one in measures]
        ranked = "" if place.ranked == counted or not place.ranked else f"of {place.ranked}"
        rank = NONE if place.rank is None else f"{place.rank:.1f}"
        rows.append(MethodRow(place.name, kind, words, rank, ranked, cells, str(method["note"] or "")))
    return rows


def digits_for(result: Record) -> Write:
    """How the figures of one measure are written."""
    return _alike(result.get("methods", {}).values(), ("mean", "median"), "interval")


def _alike(records: Iterable[Record], names: Sequence[str], interval: str) -> Write:
    """How figures of these names, and intervals of this one, are written in all the records."""
    known = list(records)
    figures = [number(one.get(name)) for one in known for name in names]
    intervals = [pair(one.get(interval)) for one in known]
    return alike([one for one in figures if one is not None], [one for one in intervals if one is not None])


def cell_of(result: Record, name: str) -> Cell:
    """One method's figure in one measure."""
    write = digits_for(result)
    figures = result.get("methods", {}).get(name, {})
    mean = number(figures.get("mean"))
    if mean is None:
        return Cell(NONE)
    n = figures.get("n")
    note = f"n = {n}" if n is not None and n != result.get("n") else ""
    return Cell(write(mean), _written(pair(figures.get("interval")), write), mark_of(result, name), note)


def _written(bounds: Bounds | None, write: Write) -> str:
    return "" if bounds is None else f"{write(bounds[0])} to {write(bounds[1])}"


def mark_of(result: Record, name: str) -> str:
    """The mark of a method that is the best, or not distinguished from it.

    Nothing is said where all have one value, and of several with the best mean where nobody could be told apart.
    """
    best = list(result.get("best") or ())
    means = {one: number(figures.get("mean")) for one, figures in result["methods"].items()}
    if name not in best or len({*means.values()} - {None}) < 2:
        return ""
    if len(best) == 1:
        return "best"
    few, equal = powerless(result), [one for one in best if means[one] == means[best[0]]]
    if name in equal:
        return "" if few and len(equal) > 1 else "best mean"
    return "" if few else "tied"


def detail_of(summary: Record, measure: Record) -> Detail:
    """The full table of one measure."""
    result = summary["results"].get(measure["name"], {"methods": {}})
    methods, reference = methods_of(summary), next(iter(result.get("best") or ()), "")
    against = {}
    for one in result.get("pairs") or ():
        if reference in (one["a"], one["b"]):
            against[one["b"] if one["a"] == reference else one["a"]] = one
    write, write_difference = digits_for(result), _alike(against.values(), ("difference",), "difference_interval")
    rows = []
    for place in places_by(summary, measure["name"]):
        figures = result["methods"].get(place.name, {})
        if number(figures.get("mean")) is None:
            continue
        versus = _versus(against.get(place.name), place.name, write_difference)
        rows.append(
            DetailRow(
                place.name,
                *row_kind(methods[place.name]),
                cell_of(result, place.name),
                str(figures.get("n", NONE)),
                write(number(figures.get("median"))),
                _fixed(number(figures.get("mean_rank")), 1),
                *versus,
            )
        )
    there = {row.name for row in rows}
    left_out = result.get("left_out") or {}
    absent = [
        (name, str(left_out.get(name) or method["note"] or "no value"))
        for name, method in methods.items()
        if name not in there
    ]
    return Detail(column_of(summary, measure), friedman_in_words(result.get("friedman")), reference, rows, absent)


def _fixed(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def _versus(found: Record | None, name: str, write: Write) -> tuple[str, str, str, str]:
    """Difference from the best, its interval, p and effect, as seen from this method."""
    if found is None:
        return "", "", "", ""
    sign = 1 if found["a"] == name else -1
    difference, effect = number(found.get("difference")), number(found.get("effect"))
    bounds = pair(found.get("difference_interval"))
    if bounds is not None and sign < 0:
        bounds = (-bounds[1], -bounds[0])
    return (
        write(None if difference is None else sign * difference),
        _written(bounds, write),
        p_in_words(number(found.get("p_holm"))),
        _fixed(None if effect is None else sign * effect, 2),
    )


def p_in_words(p: float | None) -> str:
    """A p value with three digits after the point; below that, a bound."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_told(p: float | None) -> str:
    """A p value in a sentence."""
    text = p_in_words(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def friedman_in_words(found: Record | None) -> str:
    """The test whether any methods differ."""
    if not found:
        return ""
    return (
        f"Friedman's test of equal ranks of all methods: chi-square({found['df']}) ="
        f" {shown(number(found['statistic']))},"
        f" {p_told(number(found.get('p')))}, n = {found['n']} subjects, k = {found['k']} methods"
    )


def tau_rows(summary: Record, agreement: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """Kendall's tau of each measure with each: titles, and per cell the number and its colours as CSS."""
    names, titles = list(agreement["measures"]), titles_of(summary)
    return [
        (titles.get(one, one), [_heat(number(agreement["tau"].get(one, {}).get(other))) for other in names])
        for one in names
    ]


def _heat(tau: float | None) -> tuple[str, str]:
    if tau is None:
        return NONE, ""
    end, share = (WARM, min(tau, 1.0)) if tau >= 0 else (COLD, min(-tau, 1.0))
    red, green, blue = (round(255 + share * (part - 255)) for part in end)
    ink = "#fff" if end == COLD and share > 0.6 else "#1c1c1c"
    return f"{tau:.2f}", f"background: rgb({red}, {green}, {blue}); color: {ink}"


def lead(sentence: str) -> tuple[str, str]:
    """What a sentence is about, up to its first colon where that comes early, and the rest."""
    about, colon, rest = sentence.partition(": ")
    return (f"{about}:", rest) if colon and len(about) <= 90 else ("", sentence)


def in_words(value: Any) -> str:
    """A setting as text: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
