"""Which measures of a benchmark lead its page, and in which order its methods stand there."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interpbench.comparison.families import family_of, place_of
from interpbench.comparison.headline import headlines
from interpbench.comparison.wording import title_of
from interpbench.errors import UsageError, did_you_mean

PLAIN = {"kind": "method", "template": False, "blurred": False, "learned": False, "signed": False, "note": ""}
Record = Mapping[str, Any]


def number(value: Any) -> float | None:
    """A finite number, or None for all else that a result may hold."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def pair(bounds: Any) -> tuple[float, float] | None:
    """Both ends of an interval, or None."""
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return None
    low, high = number(bounds[0]), number(bounds[1])
    return None if low is None or high is None else (low, high)


def methods_of(summary: Record) -> dict[str, Record]:
    """What is known of each method, by name; also of those that only the results name."""
    found: dict[str, Record] = {one["name"]: {**PLAIN, **one} for one in summary["methods"]}
    for result in summary["results"].values():
        for name in result["methods"]:
            found.setdefault(name, {**PLAIN, "name": name, "method": name})
    return found


def titles_of(summary: Record) -> dict[str, str]:
    """The title of each measure, by its name."""
    return {one["name"]: title_of(one) for one in summary["measures"]}


def measure_columns(summary: Record, chosen: Sequence[str] | None = None) -> list[Record]:
    """The measures that lead the page, those that only a right map can win first; only those with a value.

    Args:
        chosen: names of measures, in the order wanted; by default those that lead the verdict, and those that declare a
            column.

    Raises:
        UsageError: one that is chosen does not exist.
    """
    known = {one["name"]: one for one in summary["measures"]}
    if chosen is not None:
        check_names(chosen, known, "measure")
        return [known[name] for name in chosen if has_values(summary, name)]
    leading = {one["name"] for one in headlines(summary)}
    shown = [one for name, one in known.items() if name in leading or one.get("column")]
    shown = [one for one in shown if has_values(summary, one["name"])]
    return sorted(shown, key=lambda one: (not family_of(one).ranks, place_of(one)))


def check_names(names: Iterable[str], known: Collection[str], kind: str) -> None:
    """That the benchmark has all of these measures or methods.

    Raises:
        UsageError: it lacks one.
    """
    for name in names:
        if name not in known:
            raise UsageError(f"Unknown {kind} {name!r} in this benchmark.{did_you_mean(name, known)}")


def has_values(summary: Record, measure: str) -> bool:
    """Whether any method has a mean in this measure."""
    result = summary["results"].get(measure, {"methods": {}})
    return any(number(one.get("mean")) is not None for one in result["methods"].values())


@dataclass(frozen=True)
class Place:
    """A method's place in the table: its mean rank over some measures, and in how many of them it is ranked."""

    name: str
    rank: float | None
    ranked: int


def counted_in(summary: Record) -> list[str]:
    """The measures whose ranks order the methods: those that lead the verdict and that only a right map can win."""
    leading = headlines(summary)
    return [one["name"] for one in leading if family_of(one).ranks] or [one["name"] for one in leading]


def places_of(summary: Record, counted: Sequence[str]) -> list[Place]:
    """Every method, the lowest mean rank over the counted measures first.

    Those that are ranked in fewer than half of the measures come after the others: one lucky rank is no place.
    """
    found = []
    for name in methods_of(summary):
        ranks = [number(summary["results"][one]["methods"].get(name, {}).get("mean_rank")) for one in counted]
        known = [rank for rank in ranks if rank is not None]
        found.append(Place(name, sum(known) / len(known) if known else None, len(known)))
    return sorted(found, key=lambda place: (2 * place.ranked < len(counted), place.rank is None, place.rank or 0.0))


def places_by(summary: Record, measure: str) -> list[Place]:
    """Every method by its mean in one measure, the best first; where no direction is better, the highest first.

    Raises:
        UsageError: there is no such measure.
    """
    (record,) = measure_columns(summary, [measure]) or ({"direction": None},)
    figures = summary["results"].get(measure, {"methods": {}})["methods"]
    sign = 1 if record["direction"] == "lower" else -1

    def key(name: str) -> tuple[bool, float]:
        mean = number(figures.get(name, {}).get("mean"))
        return mean is None, sign * (mean or 0.0)

    ranks = {name: number(figures.get(name, {}).get("mean_rank")) for name in methods_of(summary)}
    return [Place(name, ranks[name], int(ranks[name] is not None)) for name in sorted(ranks, key=key)]
