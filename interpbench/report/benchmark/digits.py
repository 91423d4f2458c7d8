"""How the figures of one column are written: all with the same number of digits after the point."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median_low

from interpbench.report.page import NONE

Write = Callable[[float | None], str]
Bounds = tuple[float, float]
LEAST, MOST = 1e-3, 1e5  # a largest figure outside these is written with a power of ten, and so is its column
ROUNDING = 1e-9  # what is below this part of the largest figure is 0 but for rounding


def alike(figures: Sequence[float], intervals: Sequence[Bounds] = ()) -> Write:
    """How to write each figure of a column, and its ends of intervals.

    The largest figure has at least three digits. Up to two more are written where those would hide what is known: two
    digits of the width of the typical interval, or, up to one more, a digit of the smallest figure where there are no
    intervals. A figure that would read as 0 and is not has a power of ten; whole numbers have no point.
    """
    ends = [end for bounds in intervals for end in bounds]
    largest = max((abs(one) for one in (*figures, *ends)), default=0.0)
    if largest and not LEAST <= largest < MOST:
        return lambda value: NONE if value is None else f"{value:.2e}" if value else "0"
    whole = all(float(one).is_integer() for one in (*figures, *ends))
    digits = 0 if whole else _digits(figures, [high - low for low, high in intervals])

    def write(value: float | None) -> str:
        if value is None:
            return NONE
        text = f"{value:.{digits}f}"
        if float(text) != 0:
            return text
        return f"{0:.{digits}f}" if abs(value) <= ROUNDING * largest else f"{value:.0e}"

    return write


def _digits(figures: Sequence[float], widths: Sequence[float]) -> int:
    """Digits after the point."""
    sizes = [abs(one) for one in figures if one] or [1.0]
    sizes = [size for size in sizes if size > ROUNDING * max(sizes)]
    digits = max(0, 2 - _exponent(max(sizes)))
    known = [width for width in widths if width > 0]
    if known:
        return max(digits, min(1 - _exponent(median_low(known)), digits + 2))
    return max(digits, min(-_exponent(min(sizes)), digits + 1))


def _exponent(size: float) -> int:
    """Of ten: 0 for 1 to 9.99, -1 for 0.1 to 0.99."""
    return math.floor(math.log10(size))
