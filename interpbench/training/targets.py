"""The target of a training: a column of the participants' table, as a number or as a class."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import log, open_cohort
from interpbench.cohort.subjects import OWN_COLUMNS, Cohort, Subject, number_in
from interpbench.errors import InputError, UsageError, did_you_mean
from interpbench.predictor.network import LOGIT

FEWEST = 5  # subjects of a class, for it to be in the training and in the test split


@dataclass(frozen=True)
class Target:
    """A column, and its values: numbers in a unit, or the words of classes."""

    column: str = "age"
    unit: str = "years"
    classes: tuple[str, ...] = ()

    def of(self, subject: Subject) -> float:
        """A subject's number, or the index of its class; NaN if missing."""
        if not self.classes:
            return subject.number(self.column)
        word = subject.cell(self.column)
        return float(self.classes.index(word)) if word in self.classes else math.nan


def open_target(
    path: str | Path, column: str, unit: str | None, images: Mapping[str, Any] | None = None
) -> tuple[Cohort, Target]:
    """Read a cohort for training: the subjects with a value in the target column, and the target.

    Numbers alone are a number to predict; words alone are classes, in sorted order.

    Args:
        column: its name, in any case.
        unit: of the numbers; None for years of age, and for no more than the column's name otherwise.
        images: how they are read, see `ImageRules`.

    Raises:
        UsageError: a column that describes the files, or a unit of classes or of age.
        InputError: no such column, nobody with a value, numbers and words, one class only, or a class of a few.
    """
    column = column.lower()
    if column in OWN_COLUMNS and column not in ("age", "sex"):
        raise UsageError(
            f"column {column!r} identifies a subject or an image: a network cannot be trained to predict it."
        )
    if column == "age":
        if unit not in (None, "years"):
            raise UsageError(f"the unit of age is years, got {unit!r}: give --target to predict another number.")
        return open_cohort(path, need_age=True, images=images), Target()
    cohort = open_cohort(path, need_age=False, images=images)
    if column not in [name.lower() for name in cohort.columns]:
        hint = did_you_mean(column, [name.lower() for name in cohort.columns])
        raise InputError(f"{cohort.table}: no column {column!r}.{hint} Its columns are: {', '.join(cohort.columns)}.")
    known = [subject for subject in cohort.subjects if subject.cell(column) is not None]
    dropped = [subject.id for subject in cohort.subjects if subject.cell(column) is None]
    if dropped:
        named = ", ".join(f"sub-{label}" for label in dropped[:10])
        more = f" and {len(dropped) - 10} more" if len(dropped) > 10 else ""
        log.warning("%d subjects excluded without a value in column %r: %s%s", len(dropped), column, named, more)
    if not known:
        raise InputError(f"{cohort.table}: no subject has a value in column {column!r}.")
    cohort = dataclasses.replace(cohort, subjects=tuple(known), dropped=tuple(dropped))
    return cohort, _target_in(cohort, column, unit)


def _target_in(cohort: Cohort, column: str, unit: str | None) -> Target:
    words = [subject for subject in cohort.subjects if number_in(str(subject.cell(column))) is None]
    if not words:
        if len({subject.number(column) for subject in cohort.subjects}) == 2:
            log.warning(
                "column %r has two different numbers only, and is predicted as a number: use words for classes", column
            )
        return Target(column, unit or f"units of {column}")
    if len(words) < len(cohort.subjects):
        word, number = words[0], next(subject for subject in cohort.subjects if subject not in words)
        raise InputError(
            f"{cohort.table}: column {column!r} contains words and numbers ({word.cell(column)!r} in line {word.line},"
            f" {number.cell(column)!r} in line {number.line}): use only numbers to predict a number, and only words for"
            " classes."
        )
    if unit not in (None, LOGIT):
        raise UsageError(f"column {column!r} contains classes, which have no unit: omit {unit!r}.")
    counts = Counter(str(subject.cell(column)) for subject in cohort.subjects)
    if len(counts) == 1:
        raise InputError(
            f"{cohort.table}: all subjects have {next(iter(counts))!r} in column {column!r}: there"
            " is nothing to predict."
        )
    rare = min(counts, key=lambda name: (counts[name], name))
    if counts[rare] < FEWEST:
        raise InputError(
            f"{cohort.table}: class {rare!r} of column {column!r} has {counts[rare]}"
            f" subject{'s' * (counts[rare] > 1)}, and each of {len(counts)} classes needs at least"
            f" {FEWEST}: exclude the"
            " class, or merge it with another."
        )
    return Target(column, LOGIT, tuple(sorted(counts)))
