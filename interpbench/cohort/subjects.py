"""A cohort: a table of participants and their images; all bad rows are reported together.

The table is `participants.tsv` in a folder, or any `.tsv` or `.csv`: `participant_id`, `age` (years), and optionally
`image`, `mask`, `sex`, `split`, `truth`, `distractors`, `labels`. Paths in it are relative to its folder. Without an
`image` column, images are found by BIDS name: `sub-X/**/anat/*T1w.nii.gz`, of the `session_id` and `run` that the row
names. Other columns are kept as they are: a network may predict one.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interpbench.cohort.ages import CODES, OLDEST, refuse_other_units, two_readings
from interpbench.cohort.ages import number_in as number_in
from interpbench.cohort.bids_images import (
    contradiction,
    matching_images,
    session_and_run,
    t1w_images,
    wanted_session_and_run,
)
from interpbench.cohort.labels import rewritten
from interpbench.cohort.session_ages import contradicted_ages
from interpbench.doubts import Doubt
from interpbench.errors import InputError
from interpbench.files.table import Row, read_table
from interpbench.images.rules import USUAL, ImageRules

LABEL = re.compile(r"[0-9A-Za-z+]{1,100}")
SPLITS = ("train", "validation", "test")
FILE_COLUMNS = ("image", "mask", "truth", "distractors", "labels")
OWN_COLUMNS = ("participant_id", "age", "sex", "split", *FILE_COLUMNS)
_IDS = {"participantid", "participant", "id", "ids", "otherid", "subject", "subjectid", "subjid", "subid", "sub"}
_SPLIT_WORDS = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Subject:
    """One participant: `id` without `sub-`, age in years (None where unknown), files that exist, its table line."""

    id: str
    image: Path
    age: float | None = None
    mask: Path | None = None
    sex: str | None = None
    split: str | None = None
    truth: Path | None = None  # mask of the voxels that are truly important in this image
    distractors: Path | None = None  # mask of the voxels that vary for reasons unrelated to the target
    labels: Path | None = None  # segmentation of this image: whole numbers, 0 for no region
    line: int = 0
    cells: Mapping[str, str] = field(default_factory=dict, hash=False)  # of further columns, names in lower case
    rules: ImageRules = USUAL  # by which its images are read

    @property
    def files(self) -> dict[str, Path]:
        """The files of this subject, by column."""
        found = {column: getattr(self, column) for column in FILE_COLUMNS}
        return {column: file for column, file in found.items() if file is not None}

    def cell(self, column: str) -> str | None:
        """The text of another column, or the sex; None if missing."""
        return self.sex if column.lower() == "sex" else self.cells.get(column.lower())

    def number(self, column: str) -> float:
        """The number in another column, or the age; NaN if missing."""
        if column.lower() == "age":
            return math.nan if self.age is None else self.age
        found = number_in(self.cell(column) or "")
        return math.nan if found is None else found


@dataclass(frozen=True)
class Problem:
    """A problem of one row or one file; `str()` gives one line."""

    subject: str
    line: int
    file: Path | None
    message: str
    warning: bool = False  # it does not keep the subject out
    kind: str = ""  # of doubt, where it is a warning

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.subject}" if self.subject else "")
        return f"{where}: {self.file}: {self.message}" if self.file else f"{where}: {self.message}"


@dataclass(frozen=True)
class Cohort:
    """The usable subjects of a table in its order, its bad rows, and the subjects excluded without an age."""

    root: Path
    table: Path
    subjects: tuple[Subject, ...]
    problems: tuple[Problem, ...] = ()
    dropped: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # of the table, as they are written
    rules: ImageRules = USUAL
    doubts: tuple[str, ...] = ()  # about the table as a whole, sentences

    def describe(self) -> str:
        """One line with the number of subjects, of excluded subjects and of problems."""
        text = f"{self.table}: {len(self.subjects)} subjects"
        if self.dropped:
            named = ", ".join(f"sub-{label}" for label in self.dropped[:10])
            more = f" and {len(self.dropped) - 10} more" if len(self.dropped) > 10 else ""
            text += f"; {len(self.dropped)} excluded without an age: {named}{more}"
        if self.problems:
            text += f"; {len(self.problems)} problems, the first: {self.problems[0]}"
        return text


def read_cohort(path: Path | str, *, need_age: bool = True, rules: ImageRules | None = None) -> Cohort:
    """Read a cohort's table.

    A bad row (no usable id, age or file, or an id that stood before) is a problem and no subject.

    Args:
        path: a folder with `participants.tsv`, or a table.
        need_age: drop subjects without an age. False keeps them, with `age=None`, and asks for no age column.
        rules: how its images will be read.

    Raises:
        InputError: no such table, no rows, a column missing, or ages in another unit than years.
    """
    table, rules = table_at(Path(path)), rules or USUAL
    names, rows = read_table(table)
    known = [name.lower() for name in names]
    for needed in ("participant_id", "age") if need_age else ("participant_id",):
        if needed not in known:
            told = f"no column {needed!r}; its columns are: {', '.join(names)}"
            raise InputError(f"{table}: {told}{_mend(needed, names)}.")
    ages = [row.cells.get("age") or "" for row in rows if not row.fault]
    doubts = refuse_other_units(table, [age for age in map(number_in, ages) if age is not None])
    doubts += _unread_tables(Path(path), table)
    unclear = two_readings(ages)
    subjects: list[Subject] = []
    problems: list[Problem] = []
    dropped: list[str] = []
    lines: dict[str, list[int]] = {}
    for row in rows:
        if not row.fault:
            lines.setdefault(_label(row), []).append(row.line)
    for row in rows:
        label = _label(row)
        try:
            if not row.fault and (age := row.cells.get("age")) in unclear:
                whole = str(age).replace(",", "")
                raise _BadRow(f"age {age!r} may be {whole} or {str(age).replace(',', '.')}: write it without a comma")
            subject = _subject(table.parent, row, label, rules, find_image="image" not in known)
            if len(lines[label]) > 1:  # nobody knows which of them is meant
                raise _BadRow(_repeated(label, row.line, lines[label]))
        except _BadRow as bad:
            problems.append(Problem(label and f"sub-{label}", row.line, bad.file, str(bad)))
            continue
        if need_age and subject.age is None:
            dropped.append(label)
        else:
            subjects.append(subject)
    doubts += contradicted_ages(table.parent, ((one.id, one.image, one.age) for one in subjects))
    return Cohort(table.parent, table, tuple(subjects), tuple(problems), tuple(dropped), names, rules, doubts)


def _mend(needed: str, names: Sequence[str]) -> str:
    """Advice for a missing column, from the names of the other columns."""
    if len(names) == 1 and needed in re.split(r"[ |:]+", names[0].lower()):
        return "; columns must be separated by tabs, commas or semicolons"
    alike = [name for name in names if re.sub(r"[\W_]", "", name.lower()) in _IDS]
    return f"; rename the column {alike[0]!r} to {needed}" if needed == "participant_id" and alike else ""


class _BadRow(Exception):
    def __init__(self, message: str, file: Path | None = None) -> None:
        super().__init__(message)
        self.file = file


def table_at(path: Path) -> Path:
    """The path of the table of a cohort that is given as a folder or as a table.

    Raises:
        InputError: there is none.
    """
    if path.is_dir():
        for name in ("participants.tsv", "participants.csv"):
            if (path / name).is_file():
                return path / name
        raise InputError(f"{path}: has no participants.tsv; a cohort is a folder with that table, or a table.")
    if not path.exists():
        raise InputError(f"{path}: no such folder or table.")
    if not path.is_file() or path.suffix.lower() not in (".tsv", ".csv", ".txt"):
        raise InputError(f"{path}: is not a table; a cohort is a folder with participants.tsv, or a .tsv or .csv file.")
    return path


def _unread_tables(given: Path, table: Path) -> tuple[str, ...]:
    """A warning about a second table of participants in a folder, whose ages may differ."""
    other = table.with_suffix(".csv")
    if not given.is_dir() or other == table or not other.is_file():
        return ()
    return (Doubt(f"{other.name} is not read, because {table.name} lies beside it: name the table to choose"),)


def _label(row: Row) -> str:
    return str(row.cells.get("participant_id") or "").removeprefix("sub-")


def _repeated(label: str, line: int, lines: Sequence[int]) -> str:
    where = f"{lines[0]} already" if line != lines[0] else f"{lines[1]} too"
    return (
        f"this participant is in line {where}: give each scan a row of its own, with an image, and a label such as"
        f" {label}+1, {label}+2"
    )


def _subject(root: Path, row: Row, label: str, rules: ImageRules, *, find_image: bool) -> Subject:
    if row.fault:
        raise _BadRow(row.fault)
    if not label:
        raise _BadRow("no participant_id")
    if not LABEL.fullmatch(label):
        raise _BadRow(
            f"participant_id {label[:60]!r} may contain letters, digits and + only (100 at most){rewritten(label)}"
        )
    age = _age(row.cells.get("age"))
    image = _find_image(root, row, label) if find_image else _file(root, row, "image")
    if image is None:
        raise _BadRow("no image is named in this row")
    split = row.cells.get("split")
    if split is not None and split.lower() not in _SPLIT_WORDS:
        raise _BadRow(f"split must be train, validation or test, got {split!r}")
    return Subject(
        id=label,
        image=image,
        age=age,
        mask=_file(root, row, "mask"),
        sex=row.cells.get("sex"),
        split=None if split is None else _SPLIT_WORDS[split.lower()],
        truth=_file(root, row, "truth"),
        distractors=_file(root, row, "distractors"),
        labels=_file(root, row, "labels"),
        line=row.line,
        cells={name: cell for name, cell in row.cells.items() if cell is not None and name not in OWN_COLUMNS},
        rules=rules,
    )


def _age(cell: str | None) -> float | None:
    if cell is None:
        return None
    age = number_in(cell)
    if age is None:
        raise _BadRow(f"age {cell[:60]!r} is not a number of years")
    if not 0 < age <= OLDEST:
        code = "; leave the cell empty if the age is missing" if age < 0 or age in CODES else ""
        raise _BadRow(f"age must be above 0 and at most {OLDEST:g} years, got {cell}{code}")
    return age


def _file(root: Path, row: Row, column: str) -> Path | None:
    cell = row.cells.get(column)
    if cell is None:
        return None
    path = root / cell
    if not os.path.isfile(path):
        what = f"file of {column}" if column.endswith("s") else column
        raise _BadRow(f"the {what} {'is not a file' if os.path.exists(path) else 'does not exist'}", path)
    return path


def _find_image(root: Path, row: Row, label: str) -> Path:
    folder, words = root / f"sub-{label}", wanted_session_and_run(row.cells)
    below = t1w_images(folder)
    if not below:
        raise _BadRow("no image column, and no **/anat/*T1w.nii.gz in its folder", folder)
    found = matching_images(folder, below, words)
    if not found:
        there = list(dict.fromkeys(session_and_run(folder, path, words) for path in below))
        raise _BadRow(
            f"the row says {' '.join(words)}, but the image found is of {', '.join(there[:3])};"
            " correct the row, or name the"
            " image in an image column",
            folder,
        )
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:3])
        raise _BadRow(
            f"{len(found)} T1w images ({names}); name one in an image column, or give each its own row, with labels"
            f" such as {label}+1, {label}+2",
            folder,
        )
    if odd := contradiction(folder, found[0]):
        raise _BadRow(f"{odd}; rename one of them, or name the image in an image column", found[0])
    return found[0]
