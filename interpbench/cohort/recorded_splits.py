"""The recorded split of each subject: `split.tsv`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from interpbench.cohort.subjects import SPLITS, Cohort, Subject, number_in
from interpbench.errors import InputError
from interpbench.files.atomic import write_tsv
from interpbench.files.table import read_table
from interpbench.files.written.model import SPLIT_COLUMNS

log = logging.getLogger("interpbench")

SPLIT_TABLE = "split.tsv"
_SAME_AGE = 1e-3  # years


def write_splits(folder: Path, subjects: Iterable[Subject], splits: Mapping[str, str]) -> None:
    """Record the split of each subject in `split.tsv`."""
    rows = [
        {"participant_id": f"sub-{subject.id}", "age": subject.age, "split": splits[subject.id]} for subject in subjects
    ]
    write_tsv(folder / SPLIT_TABLE, rows, tuple(SPLIT_COLUMNS))


def recorded_splits(cohort: Cohort, *folders: Path) -> dict[str, str] | None:
    """The recorded split of each subject, as far as there is one.

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
        log.info("%d of %d subjects are not in the predictor's split", strangers, len(splits))
    return splits


def all_splits(cohort: Cohort, *folders: Path) -> dict[str, str]:
    """`{id: split}` of all subjects in the first `split.tsv`, and of the cohort's subjects as in `recorded_splits`."""
    return {**known_splits(*folders), **(recorded_splits(cohort, *folders) or {})}


def known_splits(*folders: Path) -> dict[str, str]:
    """`{id: split}` of the first folder with a `split.tsv`, whether or not the subjects are in the cohort."""
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
            raise InputError(f"{table}: line {row.line} is not a row of participant_id, age and split.")
        found[label.removeprefix("sub-")] = (number_in(age) if age else None, split)
    return found
