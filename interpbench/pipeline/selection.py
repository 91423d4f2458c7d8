"""Who takes part: which subject belongs to which split, and which ones were asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench import store
from interpbench.cohort import SPLITS, Cohort, Subject, number_in, read_cohort
from interpbench.cohort_table import read_table
from interpbench.doubts import PREDICTOR, count_lines, kind_of
from interpbench.errors import InputError, SubjectsFailed, UsageError, did_you_mean
from interpbench.image_rules import ImageRules

log = logging.getLogger("interpbench")

SPLIT_TABLE = "split.tsv"
_SAME_AGE = 1e-3  # years


def open_cohort(path: str | Path, *, need_age: bool, images: Mapping[str, Any] | None = None) -> Cohort:
    """Read a cohort and say who is left out, and why.

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
        log.warning("left out: %s", problem)
    if not cohort.subjects:
        raise InputError(f"{cohort.table}: no subject can be used. `interpbench check` lists every problem.")
    return cohort


def failure(subject: str, file: Any, message: object) -> dict[str, Any]:
    """One row of `failures.tsv`."""
    return {"participant_id": f"sub-{subject.removeprefix('sub-')}", "file": file, "message": str(message)}


def problem_rows(cohort: Cohort, leave_out: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The cohort's bad rows as failures, but for subjects that are not asked for."""
    hidden = set(leave_out)
    return [
        failure(problem.subject or "unknown", problem.file, f"line {problem.line}: {problem.message}")
        for problem in cohort.problems
        if problem.subject.removeprefix("sub-") not in hidden
    ]


def finish(failures: Sequence[Mapping[str, Any]], listed: Path, done: int) -> None:
    """End a run.

    Raises:
        SubjectsFailed: somebody failed; the message counts them and names the list.
    """
    if failures:
        first = failures[0]
        raise SubjectsFailed(
            f"{len(failures)} of {len(failures) + done} subjects failed, listed in {listed}."
            f" The first: {first['participant_id']}: {first['message']}"
        )


def count_doubts(doubts: Mapping[str, Iterable[str]], subjects: int) -> None:
    """Tell how many subjects there is a doubt about, one line a kind.

    Args:
        doubts: by label.
        subjects: how many there are, those without a doubt too.
    """
    told = {label: [one for one in some if kind_of(one) != PREDICTOR] for label, some in doubts.items()}
    for line in count_lines(told, subjects):  # what is doubtful about the predictor is told once, as a sentence
        log.warning("%s", line)


def write_splits(folder: Path, subjects: Iterable[Subject], splits: Mapping[str, str]) -> None:
    """Record who is in which split, in `split.tsv`."""
    rows = [
        {"participant_id": f"sub-{subject.id}", "age": subject.age, "split": splits[subject.id]} for subject in subjects
    ]
    store.write_tsv(folder / SPLIT_TABLE, rows, ("participant_id", "age", "split"))


def recorded_splits(cohort: Cohort, *folders: Path) -> dict[str, str] | None:
    """The split of each subject, as far as it was decided before.

    The first folder with a `split.tsv` decides. It knows a subject by label and age, since two cohorts may share
    labels. Who is not in it was never trained on: the table's `split` column decides, else it is `test`.

    Returns:
        `{id: split}`, or None where neither a folder nor the table says anything.
    """
    known = _recorded(*folders)
    if not known and all(subject.split is None for subject in cohort.subjects):
        return None
    splits, strangers = {}, 0
    for subject in cohort.subjects:
        age, split = known.get(subject.id, (None, ""))
        same = subject.age is None or age is None or abs(subject.age - age) < _SAME_AGE
        if not split or not same:
            strangers += 1
            split = subject.split or "test"
        splits[subject.id] = split
    if known and strangers:
        log.info("%d of %d subjects are new to the predictor", strangers, len(splits))
    return splits


def all_splits(cohort: Cohort, *folders: Path) -> dict[str, str]:
    """`{id: split}` of everybody in the first `split.tsv`, and of the cohort's subjects as `recorded_splits` has it."""
    return {**known_splits(*folders), **(recorded_splits(cohort, *folders) or {})}


def known_splits(*folders: Path) -> dict[str, str]:
    """`{id: split}` of the first folder with a `split.tsv`, whoever is in the cohort now."""
    return {label: split for label, (_, split) in _recorded(*folders).items()}


def _recorded(*folders: Path) -> dict[str, tuple[float | None, str]]:
    table = next((folder / SPLIT_TABLE for folder in folders if (folder / SPLIT_TABLE).is_file()), None)
    if table is None:
        return {}
    _, rows = read_table(table)
    found: dict[str, tuple[float | None, str]] = {}
    for row in rows:
        label, age, split = (row.cells.get(name) for name in ("participant_id", "age", "split"))
        if not label or split not in SPLITS or (age and number_in(age) is None):
            raise InputError(f"{table}: line {row.line} is no row of participant_id, age and split.")
        found[label.removeprefix("sub-")] = (number_in(age) if age else None, split)
    return found


def choose(
    cohort: Cohort, splits: Mapping[str, str] | None, split: str | None, participants: Sequence[str] | None = None
) -> list[Subject]:
    """The subjects asked for, in the order of their labels.

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
            reason = f" It is left out: {bad}." if bad else did_you_mean(label, labels)
            raise UsageError(f"{cohort.table}: there is no subject {label!r}.{reason}")
        return [subject for subject in subjects if subject.id in wanted]
    if split is None or splits is None:
        return subjects
    if split not in SPLITS:
        raise UsageError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.{did_you_mean(split, SPLITS)}")
    chosen = [subject for subject in subjects if splits[subject.id] == split]
    if not chosen:
        raise InputError(f"{cohort.table}: nobody is in the {split} split of {len(subjects)} subjects.")
    return chosen
