"""The rows of a benchmark, laid out for statistics: subjects by methods, one array a measure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interpbench.errors import InputError

RANKED_FROM = 0.5  # share of a measure's subjects that a method must have a value for, to be ranked among the others
NO_VALUE = "no value, and no reason given"


@dataclass(frozen=True, eq=False)
class Scores:
    """One measure: what each method that it applies to got for each subject that was measured."""

    measure: str
    subjects: tuple[str, ...]  # with a value for at least one method
    methods: tuple[str, ...]  # with a value for at least one subject
    values: np.ndarray  # (subjects, methods) float64, NaN where missing
    left_out: Mapping[str, str]  # method without any value -> why

    @property
    def counts(self) -> np.ndarray:
        """How many subjects each method has a value for, `(methods,)`."""
        found: np.ndarray = np.isfinite(self.values).sum(axis=0)
        return found

    @property
    def ranked(self) -> np.ndarray:
        """Which methods have values for at least half of the subjects, `(methods,)` bool.

        One that fails on most subjects would otherwise take those subjects from everybody's ranks.
        """
        found: np.ndarray = self.counts >= RANKED_FROM * len(self.subjects)
        return found

    @property
    def complete(self) -> np.ndarray:
        """Which subjects have a value for every ranked method, `(subjects,)` bool."""
        found: np.ndarray = np.isfinite(self.values[:, self.ranked]).all(axis=1)
        return found


@dataclass(frozen=True, eq=False)
class Table:
    """The tidy rows of a benchmark as arrays."""

    subjects: tuple[str, ...]  # sorted, so that no figure depends on the order of the rows
    methods: tuple[str, ...]
    values: Mapping[str, np.ndarray]  # measure -> (subjects, methods) float64, NaN where missing
    notes: Mapping[tuple[str, str], str]  # (measure, method) -> the commonest reason why a value is missing

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(self.values)

    def scores(self, measure: str) -> Scores:
        """One measure, without the methods and the subjects that have no value at all.

        A measure that no row has applies to nobody.
        """
        every = self.values.get(measure, np.full((len(self.subjects), len(self.methods)), np.nan))
        known = np.isfinite(every)
        rows, columns = known.any(axis=1), known.any(axis=0)
        return Scores(
            measure=measure,
            subjects=tuple(name for name, there in zip(self.subjects, rows, strict=True) if there),
            methods=tuple(name for name, there in zip(self.methods, columns, strict=True) if there),
            values=every[rows][:, columns],
            left_out={
                name: self.notes.get((measure, name), NO_VALUE)
                for name, there in zip(self.methods, columns, strict=True)
                if not there
            },
        )


def table_of(rows: Iterable[Mapping[str, Any]], methods: Sequence[str] = ()) -> Table:
    """Lay rows out as arrays.

    Args:
        rows: each with `participant_id`, `method`, `measure`, `value` and, where there is one, `note`. A value that is
            None, `n/a`, empty, NaN or infinite is missing.
        methods: the order of the methods; those that it does not name come after, sorted.

    Raises:
        InputError: two rows for one subject, method and measure, or a value that is no number.
    """
    cells: dict[tuple[str, str, str], float] = {}
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        key = (str(row["participant_id"]), str(row["method"]), str(row["measure"]))
        if key in cells:
            raise InputError(f"measures: two rows for {', '.join(key)}; there must be one.")
        cells[key] = _number(row["value"], key)
        if row.get("note") and math.isnan(cells[key]):
            reasons.setdefault((key[2], key[1]), Counter())[str(row["note"])] += 1
    subjects = sorted({key[0] for key in cells})
    names = [*dict.fromkeys(methods), *sorted({key[1] for key in cells} - set(methods))]
    values = {
        measure: np.full((len(subjects), len(names)), np.nan) for measure in dict.fromkeys(key[2] for key in cells)
    }
    place, column = ({name: at for at, name in enumerate(some)} for some in (subjects, names))
    for (subject, method, measure), value in cells.items():
        values[measure][place[subject], column[method]] = value
    notes = {key: min(some, key=lambda text: (-some[text], text)) for key, some in reasons.items()}
    return Table(tuple(subjects), tuple(names), values, notes)


def _number(value: Any, key: tuple[str, str, str]) -> float:
    """A finite number, or NaN where the value is missing."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "n/a")):
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"measures: the value for {', '.join(key)} is {value!r}, but must be a number.") from None
    return number if math.isfinite(number) else math.nan
