"""Opens a cohort for a run, and chooses its subjects."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import SPLITS, Cohort, Subject, read_cohort
from interpbench.errors import InputError, UsageError, did_you_mean
from interpbench.files.failures import failure
from interpbench.images.rules import ImageRules

log = logging.getLogger("interpbench")


def open_cohort(path: str | Path, *, need_age: bool, images: Mapping[str, Any] | None = None) -> Cohort:
    """Read a cohort, and log which subjects are excluded and why.

    Args:
        images: how its images are read, see `ImageRules`.

    Raises:
        InputError: no table, or nobody in it can be used.
    """
    cohort = read_cohort(path, need_age=need_age, rules=ImageRules.of(images))
    log.info("%s", cohort.describe())
    for doubt in cohort.doubts:
        log.warning("%s: %s", cohort.table, doubt)
    for problem in cohort.problems:
        log.warning("excluded: %s", problem)
    if not cohort.subjects:
        raise InputError(f"{cohort.table}: no subject can be used. `interpbench check` lists every problem.")
    return cohort


def problem_rows(cohort: Cohort, leave_out: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The bad rows of a cohort as failures, without subjects that were not chosen."""
    hidden = set(leave_out)
    return [
        failure(problem.subject or "unknown", problem.file, f"line {problem.line}: {problem.message}")
        for problem in cohort.problems
        if problem.subject.removeprefix("sub-") not in hidden
    ]


def choose(
    cohort: Cohort, splits: Mapping[str, str] | None, split: str | None, participants: Sequence[str] | None = None
) -> list[Subject]:
    """The chosen subjects, ordered by label.

    Args:
        splits: `{id: split}`; None where there is no division, and everybody counts.
        split: train, validation or test; None for everybody.
        participants: labels, with or without `sub-`; then `split` does not matter.

    Raises:
        UsageError: a split or label that does not exist.
        InputError: nobody is left.
    """
    subjects = sorted(cohort.subjects, key=lambda subject: subject.id)
    if participants:
        wanted = {label.removeprefix("sub-") for label in participants}
        labels = [subject.id for subject in subjects]
        for label in sorted(wanted - set(labels)):
            bad = next((str(one) for one in cohort.problems if one.subject == f"sub-{label}"), "")
            reason = f" It was excluded: {bad}." if bad else did_you_mean(label, labels)
            raise UsageError(f"{cohort.table}: no subject {label!r}.{reason}")
        return [subject for subject in subjects if subject.id in wanted]
    if split is None or splits is None:
        return subjects
    if split not in SPLITS:
        raise UsageError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.{did_you_mean(split, SPLITS)}")
    chosen = [subject for subject in subjects if splits[subject.id] == split]
    if not chosen:
        raise InputError(f"{cohort.table}: the {split} split of {len(subjects)} subjects is empty.")
    return chosen
