"""How strong the signal must be for the linear reader to reach a given share of explained variance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 20  # people, for a share of explained variance to mean anything
MOST = 1000  # people that the reader is given
KNOTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the largest strength, at which images are rendered
DIGITS = 3  # of a strength: beyond them it would depend on the order of sums
STEPS = 30

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class FoundStrength:
    """A strength, the explained variance expected there, and whether it is what was asked for."""

    strength: float
    r2: float
    reached: bool


def between(knots: Sequence[float], features: Sequence[Numbers], strength: float) -> Numbers:
    """Features `(N, P)` at a strength, linearly between those at the knots; the first knot is 0."""
    upper = min(max(1, int(np.searchsorted(knots, strength))), len(knots) - 1)
    part = (strength - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
    return np.asarray((1 - part) * features[upper - 1] + part * features[upper])


def strength_for(asked: float, knots: Sequence[float], r2_at: Callable[[float], float]) -> FoundStrength:
    """The smallest strength between the knots at which `r2_at` reaches what is asked, by bisection.

    Args:
        asked: the share of explained variance, above that at strength 0.
        knots: the first is 0, the last the largest that is permitted.
    """
    top = next((place for place, knot in enumerate(knots) if r2_at(knot) >= asked), None)
    if top is None:
        most = rounded_down(knots[-1])
        return FoundStrength(most, r2_at(most), reached=False)
    low, high = knots[max(top - 1, 0)], knots[top]
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if r2_at(middle) >= asked else (middle, high)
        if high - low < 10 ** -(DIGITS + 1) * high:
            break
    found = min(float(f"{high:.{DIGITS}g}"), rounded_down(knots[-1]))
    return FoundStrength(found, r2_at(found), reached=True)


def rounded_down(value: float) -> float:
    """A number with few digits that is not above another."""
    found = float(f"{value:.{DIGITS}g}")
    unit = 10.0 ** (math.floor(math.log10(found)) - DIGITS + 1)
    return found if found <= value else float(f"{found - unit:.{DIGITS}g}")
