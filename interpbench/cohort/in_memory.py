"""A cohort in memory, such as a list of images or a pandas DataFrame, as the table that every step reads."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from interpbench.cohort.subjects import FILE_COLUMNS, OWN_COLUMNS, Cohort, Subject
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files.atomic import write_text, write_tsv

_LABEL = re.compile(r"sub-([0-9A-Za-z+]+)")


@runtime_checkable
class DataFrame(Protocol):
    """What is needed of a pandas DataFrame."""

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        """The rows, with `orient="records"`."""


CohortSource = str | Path | Cohort | DataFrame | Sequence[str | Path | Subject | Mapping[str, Any]]
"""A folder or table on disk; or, in memory, a `Cohort`, a DataFrame, or a list of images, subjects or rows."""


def table_on_disk(cohort: CohortSource, out: str | Path) -> Path:
    """The path of a cohort's table; one in memory is written beside the output, as `OUT.participants.tsv`.

    Rows have the columns of a `participants.tsv`. Files in them are relative to the working folder. Of a list of
    images, a subject's label is what follows `sub-` in the path, or else the file's name.

    Args:
        out: the folder or file that the step writes.

    Raises:
        UsageError: a cohort of another type.
        InputError: no rows, or a cell that a table cannot hold.
        ConflictError: another cohort's table is there.
    """
    if isinstance(cohort, str | Path):
        return Path(cohort)
    rows = [{name: _cell(name, value) for name, value in row.items()} for row in _rows(cohort)]
    if not rows:
        raise InputError("the cohort in memory has no rows.")
    out = Path(out)
    path = out.with_name(f"{out.name}.participants.tsv")
    with tempfile.TemporaryDirectory() as folder:
        write_tsv(Path(folder) / path.name, rows)
        content = (Path(folder) / path.name).read_text(encoding="utf-8")
    if not path.exists():
        write_text(path, content)
    elif path.read_text(encoding="utf-8") != content:
        raise ConflictError(f"{path}: holds another cohort. Choose another output, or remove the table.")
    return path


def _rows(cohort: Any) -> list[dict[str, Any]]:
    if isinstance(cohort, Cohort):
        return [_row_of(subject) for subject in cohort.subjects]
    if isinstance(cohort, DataFrame):
        return [{str(name): value for name, value in row.items()} for row in cohort.to_dict(orient="records")]
    if not isinstance(cohort, Sequence):
        raise UsageError(
            "a cohort is a folder, a table, a DataFrame, or a list of images, subjects or rows,"
            f" got {type(cohort).__name__}."
        )
    return [_row_of(one) for one in cohort]


def _row_of(one: Any) -> dict[str, Any]:
    if isinstance(one, Subject):
        own = {name: getattr(one, name) for name in OWN_COLUMNS if name != "participant_id"}
        return {"participant_id": one.id, **own, **one.cells}
    if isinstance(one, Mapping):
        return {str(name): value for name, value in one.items()}
    if isinstance(one, str | Path):
        found = _LABEL.findall(Path(one).name) or _LABEL.findall(str(one))
        name = Path(one).name.removesuffix(".gz").removesuffix(".nii")
        return {"participant_id": found[-1] if found else re.sub(r"[^0-9A-Za-z]", "", name), "image": one}
    raise UsageError(f"a row of a cohort is an image, a subject or a mapping, got {type(one).__name__}.")


def _cell(name: str, value: Any) -> Any:
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return None
    if name.lower() in FILE_COLUMNS:
        return Path(os.fspath(value)).absolute()
    if isinstance(value, int | float):
        return value
    text = str(value)
    if re.search(r"[\t\r\n]", text):
        raise InputError(f"{name} {text!r} cannot stand in a table: it has a tab or a line break.")
    return text
