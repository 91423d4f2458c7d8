"""A cohort in memory, such as a list of images or a pandas DataFrame, as the table that every step reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from interpbench.cohort.subjects import FILE_COLUMNS, OWN_COLUMNS, Cohort, Subject
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files.atomic import write_text
from interpbench.files.table import MISSING

NOTHING = "n/a"
_MISSING = ("<NA>", "NaT")  # as pandas writes what is not there; for more see `MISSING`
_LABEL = re.compile(r"sub-([0-9A-Za-z+]+)")


@runtime_checkable
class DataFrame(Protocol):
    """What is needed of a pandas DataFrame."""

    columns: Any
    index: Any

    def reset_index(self) -> DataFrame:
        """The same with its index as columns."""

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
    rows = [{name: _text(name, value) for name, value in row.items()} for row in _rows(cohort)]
    if not rows:
        raise InputError("the cohort in memory has no rows.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [[_name(name) for name in names], *([row.get(name, NOTHING) for name in names] for row in rows)]
    content = "".join("\t".join(map(_quoted, line)) + "\n" for line in lines)
    out = Path(out)
    path = out.with_name(f"{out.name}.participants.tsv")
    if not path.exists():
        write_text(path, content)
    elif path.read_text(encoding="utf-8") != content:
        raise ConflictError(f"{path}: holds another cohort. Choose another output, or remove the table.")
    return path


def _rows(cohort: Any) -> list[dict[str, Any]]:
    if isinstance(cohort, Cohort):
        return [_row_of(subject) for subject in cohort.subjects]
    if isinstance(cohort, DataFrame):
        return _rows_of_frame(cohort)
    if not isinstance(cohort, Sequence):
        raise UsageError(
            "a cohort is a folder, a table, a DataFrame, or a list of images, subjects or rows,"
            f" got {type(cohort).__name__}."
        )
    return [_row_of(one) for one in cohort]


def _rows_of_frame(frame: DataFrame) -> list[dict[str, Any]]:
    """Its rows; an index with a name, such as `participant_id`, is a column like the others."""
    if any(name is not None and name not in frame.columns for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two columns of the DataFrame have the name {twice[0]!r}.")
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict(orient="records")]


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


def _text(name: str, value: Any) -> str:
    """A cell as text; what is missing as `n/a`."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value  # numpy's and torch's scalars
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if text in _MISSING or text.strip().lower() in MISSING:
        return NOTHING
    if name.strip().lower() in FILE_COLUMNS:
        if not isinstance(value, str | Path):
            raise InputError(f"{name} must be the path of a file, got {text} ({type(value).__name__}).")
        text = str(Path(value).absolute())
    return _checked(name, text)


def _name(name: str) -> str:
    if not name.strip():
        raise InputError(f"a column has no name ({name!r}).")
    return _checked("the name of a column,", name)


def _checked(what: str, text: str) -> str:
    if re.search(r"[\r\n\0]", text):
        raise InputError(f"{what} {text!r} cannot stand in a table: it has a line break or a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} {text!r} cannot stand in a table: it is no UTF-8 text.") from error
    return text


def _quoted(text: str) -> str:
    """A cell or name in quotes where it holds what separates or quotes cells."""
    return '"{}"'.format(text.replace('"', '""')) if re.search(r'[\t;,"]', text) else text
