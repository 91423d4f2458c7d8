"""Means over what metrics return."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from interpbench.contract.metric import Measure

Values = dict[str, float | list[float]]


def numbers_of(values: Values) -> dict[str, float]:
    """One number a measure: of a curve, the mean of its steps."""
    return {name: _mean_of_known(np.atleast_1d(value)) for name, value in values.items()}


def means_of(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over several cases."""
    return {name: _mean_of_known(values[name] for values in found) for name in found[0]}


def gain_of(measure: Measure, one: float, other: float) -> float:
    """How much better the first is."""
    return one - other if measure.direction == "higher" else other - one


def _mean_of_known(values: Iterable[float]) -> float:
    known = [float(value) for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
