"""The variables of a planting: the target, drawn or from a column, and those of distractors and suppressors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Cohort
from interpbench.doubts import named
from interpbench.errors import InputError, did_you_mean
from interpbench.planting.asked import DISTRACTOR, SUPPRESSOR, Signal
from interpbench.planting.drawn import BOUND, DIGITS, Numbers, drawn, standardised, unrelated

OTHERS_BOUND = 3.0  # SD, of the variables of distractors and suppressors


@dataclass(frozen=True, eq=False)
class TargetColumn:
    """A target that is taken from the table: its numbers, and their standardised values, by label."""

    name: str
    values: Mapping[str, float]
    amounts: Mapping[str, float]
    mean: float
    sd: float

    @classmethod
    def of(cls, cohort: Cohort, column: str) -> TargetColumn:
        """The column of a cohort; subjects without a number are excluded, and named.

        Raises:
            InputError: no such column, or nothing in it that could be planted.
        """
        name, known = column.lower(), [one.lower() for one in cohort.columns]
        if name not in known:
            raise InputError(f"{cohort.table}: no column {column!r}.{did_you_mean(name, known)}")
        values = {one.id: number for one in cohort.subjects if math.isfinite(number := one.number(name))}
        without = [one.id for one in cohort.subjects if one.id not in values]
        if not values:
            raise InputError(f"{cohort.table}: no subject has a number in column {column!r}.")
        if without:
            log.warning("%d subjects excluded without a number in column %r: %s", len(without), name, named(without))
        numbers, mean, sd = standardised(np.array(list(values.values())))
        return cls(name, values, dict(zip(values, map(float, numbers.round(DIGITS)), strict=True)), mean, sd)


@dataclass(frozen=True, eq=False)
class Targets:
    """The variables of people, in SD.

    Attributes:
        labels: of the people.
        target: `(N,)`.
        others: `(N,)` of each distractor and suppressor; uncorrelated with the target and with each other.
        signals: what they are the variables of, the target's first.
    """

    labels: tuple[str, ...]
    target: Numbers
    others: tuple[Numbers, ...]
    signals: tuple[Signal, ...]

    @classmethod
    def of(cls, labels: Sequence[str], signals: Sequence[Signal], column: TargetColumn | None, seed: int) -> Targets:
        """Draw what is to be drawn.

        Raises:
            InputError: too few people.
        """
        target = drawn(labels, seed, "target") if column is None else np.array([column.amounts[one] for one in labels])
        others: list[Numbers] = []
        for number in range(1, len(signals)):
            numbers = unrelated(drawn(labels, seed, f"variable {number}"), [target, *others])
            others.append(numbers * min(1.0, OTHERS_BOUND / float(np.abs(numbers).max())))
        return cls(tuple(labels), target, tuple(others), tuple(signals))

    @property
    def by_label(self) -> dict[str, float]:
        """The target of each person."""
        return dict(zip(self.labels, map(float, self.target), strict=True))

    @property
    def amounts(self) -> dict[str, tuple[float, ...]]:
        """How much of each signal a person has; suppressors are added to the target's."""
        main = self.target + sum(
            numbers for one, numbers in zip(self.signals[1:], self.others, strict=True) if one.role == SUPPRESSOR
        )
        rows = np.column_stack([main, *self.others])
        return {label: tuple(map(float, row)) for label, row in zip(self.labels, rows, strict=True)}

    def correlations(self, labels: Sequence[str]) -> list[float]:
        """The correlation of each other variable with the target, in some of the people."""
        some = np.isin(self.labels, labels)
        if some.sum() < 2:
            return [0.0 for _ in self.others]
        return [round(float(np.corrcoef(self.target[some], one[some])[0, 1]), DIGITS) + 0.0 for one in self.others]


def bounds_of(signals: Sequence[Signal], column: TargetColumn | None) -> tuple[float, ...]:
    """The largest amount of each signal, in SD."""
    target = BOUND if column is None else max(abs(amount) for amount in column.amounts.values())
    suppressors = sum(signal.role == SUPPRESSOR for signal in signals)
    others = [OTHERS_BOUND for signal in signals if signal.role in (SUPPRESSOR, DISTRACTOR)]
    return target + suppressors * OTHERS_BOUND, *others
