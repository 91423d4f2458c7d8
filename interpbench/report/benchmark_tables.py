"""The tables of the benchmark's page: figures as a reader sees them, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interpbench.comparison.one_measure import powerless
from interpbench.comparison.wording import number as three_digits
from interpbench.report.benchmark_order import Place, Record, methods_of, number, pair, places_by
from interpbench.report.page import NONE, Figure, shown

BETTER = {
    "higher": "\N{UPWARDS ARROW} higher is better",
    "lower": "\N{DOWNWARDS ARROW} lower is better",
    None: "shown only, neither is better",
}
FAR = 100.0  # from this ratio of the largest to the smallest on, figures lie far apart
COLD, WARM = (33, 102, 172), (230, 130, 50)  # blue and orange: the ends of the scale of tau


@dataclass(frozen=True)
class Column:
    """A measure as the head of a column says it."""

    name: str
    better: str
    unit: str
    n: int | None
    help: str
    chance: str
    note: str


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
        BETTER.get(measure.get("direction"), BETTER[None]),
        unit_of(summary, measure),
        result.get("n"),
        str(measure.get("help") or "").strip().rstrip("."),
        "" if chance is None else shown(chance),
        "Too few subjects to tell any two methods apart" if few else "",
    )


def unit_of(summary: Record, measure: Record) -> str:
    """A measure's unit; what has none says so."""
    return str(measure.get("unit") or "").replace("{unit}", str(summary.get("unit", ""))) or "no unit"


def kind_of(method: Record) -> tuple[str, str]:
    """A method's kind, and the words beside its name that say it."""
    if method["kind"] == "floor":
        return "floor", "floor: ignores the network"
    if method["blurred"]:
        return "blurred", "blurred copy"
    return "method", "learned" if method["learned"] else ""


def method_rows(summary: Record, measures: Sequence[Record], places: Sequence[Place], counted: int) -> list[MethodRow]:
    """One row a method, one cell a measure."""
    methods = methods_of(summary)
    rows = []
    for place in places:
        method = methods[place.name]
        kind, words = kind_of(method)
        cells = [cell_of(summary["results"].get(one["name"], {}), place.name) for one in measures]
        ranked = "" if place.ranked == counted or not place.ranked else f"of {place.ranked}"
        rank = NONE if place.rank is None else f"{place.rank:.1f}"
        rows.append(MethodRow(place.name, kind, words, rank, ranked, cells, str(method["note"] or "")))
    return rows


def digits_for(result: Record) -> Callable[[float | None], str]:
    """How the figures of one measure are written: all with as many digits after the point as the largest needs.

    Where they lie far apart each has three digits of its own.
    """
    means = [mean for one in result.get("methods", {}).values() if (mean := number(one.get("mean"))) is not None]
    largest = max((abs(mean) for mean in means), default=0.0)
    if not 0.01 <= largest < 1e5 or 0 < min(means) < largest / FAR:
        return lambda value: NONE if value is None else three_digits(value)
    digits = 3 if largest < 1 else 2 if largest < 100 else 1
    return lambda value: NONE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


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


def _written(bounds: tuple[float, float] | None, write: Callable[[float | None], str]) -> str:
    return "" if bounds is None else f"{write(bounds[0])} to {write(bounds[1])}"


def mark_of(result: Record, name: str) -> str:
    """Whether a method is the best, or not told apart from it, in a word; of one method alone nothing is said."""
    best = list(result.get("best") or ())
    if name not in best or len(result["methods"]) < 2:
        return ""
    if len(best) == 1:
        return "best"
    if name == best[0]:
        return "best mean"
    return "" if powerless(result) else "tied"


def detail_of(summary: Record, measure: Record) -> Detail:
    """The full table of one measure."""
    result = summary["results"].get(measure["name"], {"methods": {}})
    methods, reference = methods_of(summary), next(iter(result.get("best") or ()), "")
    against = {}
    for one in result.get("pairs") or ():
        if reference in (one["a"], one["b"]):
            against[one["b"] if one["a"] == reference else one["a"]] = one
    rows = []
    for place in places_by(summary, measure["name"]):
        figures = result["methods"].get(place.name, {})
        if number(figures.get("mean")) is None:
            continue
        versus = _versus(against.get(place.name), place.name, digits_for(result))
        rows.append(DetailRow(
            place.name, *kind_of(methods[place.name]), cell_of(result, place.name), str(figures.get("n", NONE)),
            digits_for(result)(number(figures.get("median"))), shown(number(figures.get("mean_rank"))), *versus,
        ))  # fmt: skip
    there = {row.name for row in rows}
    left_out = result.get("left_out") or {}
    absent = [
        (name, str(left_out.get(name) or method["note"] or "no value"))
        for name, method in methods.items() if name not in there
    ]  # fmt: skip
    return Detail(column_of(summary, measure), friedman_in_words(result.get("friedman")), reference, rows, absent)


def _versus(found: Record | None, name: str, write: Callable[[float | None], str]) -> tuple[str, str, str, str]:
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
        shown(None if effect is None else sign * effect),
    )


def p_in_words(p: float | None) -> str:
    """A p value with three digits after the point; below that, a bound."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def friedman_in_words(found: Record | None) -> str:
    """The test whether any methods differ."""
    if not found:
        return ""
    p = p_in_words(number(found.get("p")))
    return (
        f"Friedman's test that all methods rank alike: chi-square({found['df']}) = {shown(number(found['statistic']))},"
        f" p {p if p.startswith('<') else f'= {p}'}, n = {found['n']} subjects, k = {found['k']} methods"
    )


def tau_rows(agreement: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """Kendall's tau of each measure with each: names, and per cell the number and its colours as CSS."""
    names = list(agreement["measures"])
    return [(one, [_heat(number(agreement["tau"].get(one, {}).get(other))) for other in names]) for one in names]


def _heat(tau: float | None) -> tuple[str, str]:
    if tau is None:
        return NONE, ""
    end, share = (WARM, min(tau, 1.0)) if tau >= 0 else (COLD, min(-tau, 1.0))
    red, green, blue = (round(255 + share * (part - 255)) for part in end)
    ink = "#fff" if end == COLD and share > 0.6 else "#1c1c1c"
    return f"{tau:.2f}", f"background: rgb({red}, {green}, {blue}); color: {ink}"


def predictor_figures(predictor: Mapping[str, Any], unit: str) -> list[Figure]:
    """The predictor's error with its interval, where it was measured, at the top of its record or one level below."""
    found = list[Figure]()
    for place, record in [("", predictor), *predictor.items()]:
        if not isinstance(record, Mapping) or number(record.get("mae")) is None:
            continue
        n = record.get("n")
        found.append(Figure(f"Predictor: mean absolute error{f', {place} split' if place else ''}",
                            number(record["mae"]), unit, n, pair(record.get("mae_interval"))))  # fmt: skip
        for name, label, of in _EVALUATED:
            if number(record.get(name)) is not None:
                bounds = pair(record.get(name.replace("_mae", "_interval")))
                found.append(Figure(label, number(record[name]), of or unit, n, bounds))
    return found


_EVALUATED = (
    ("mean_predictor_mae", "The same, always predicting the mean of the training split", ""),
    ("bias", "Mean of predicted minus true", ""),
    ("correlation", "Correlation of predicted and true", "no unit"),
)  # of `evaluate`: key, label, unit where it is not the predictor's


def lead(sentence: str) -> tuple[str, str]:
    """What a sentence is about, up to its first colon where that comes early, and the rest."""
    about, colon, rest = sentence.partition(": ")
    return (f"{about}:", rest) if colon and len(about) <= 90 else ("", sentence)


def in_words(value: Any) -> str:
    """A setting as text: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
