"""Figures in words: numbers with unit, interval, p, and lists of names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def title_of(measure: Mapping[str, Any]) -> str:
    """A measure as a reader should see it: the title that it declares, or its name without underscores."""
    return str(measure.get("title") or "") or str(measure["name"]).replace("_", " ")


def label(measure: Mapping[str, Any]) -> str:
    """A measure's title, which is better, and chance; one without a title says what it asks as well."""
    better = f"{measure['direction']} is better"
    if measure.get("chance") is not None:
        better += f", chance {three_digits(measure['chance'])}"
    if measure.get("title"):
        return f"{title_of(measure)}, {better}"
    asked = str(measure.get("question") or measure.get("help") or "").strip().rstrip(".")
    return f"{title_of(measure)} ({asked}; {better})" if asked else f"{title_of(measure)} ({better})"


def three_digits(value: float | None) -> str:
    """Three digits, without powers of ten where those are not needed."""
    if value is None or not math.isfinite(value):
        return "n/a"
    value = value or 0.0  # not -0
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:.3g}"


def amount(value: float | None, unit: str) -> str:
    """A number with its unit: `2.5 years`."""
    return f"{three_digits(value)} {unit}".rstrip()


def between(bounds: Sequence[float] | None) -> str:
    """An interval: `0.1 to 0.2`."""
    return f"{three_digits(bounds[0])} to {three_digits(bounds[1])}" if bounds else "no interval"


def estimate(figures: Mapping[str, Any], unit: str) -> str:
    """A mean with all that it needs: `0.93 (95 % interval 0.92 to 0.94, n = 75)`."""
    spread = f"95 % interval {between(figures['interval'])}" if figures["interval"] else "no interval"
    return f"{amount(figures['mean'], unit)} ({spread}, n = {figures['n']})"


def chance(p: float) -> str:
    """A p value: `p = 0.02`; small ones as `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; of a long list the first few, and how many more."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def counted(count: int, noun: str) -> str:
    """`1 method`, `2 methods`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
