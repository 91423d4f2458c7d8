"""What a command reads, by its values: a cohort and all that it names, folders of earlier runs, files of options."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import FILE_COLUMNS, table_at
from interpbench.errors import InputError
from interpbench.files.atomic import read_json
from interpbench.files.input_paths import InputPaths
from interpbench.files.run_folder import MANIFEST
from interpbench.files.table import Row, read_table

DERIVATIVES = "derivatives"  # where BIDS puts what was made of a cohort, inside its folder
TRUTH = "truth.nii.gz"  # of a cohort, beside its table
PREDICTED = ("predictor", "unit", "n", "figures", "warnings", "failures")  # in the record beside `predict`'s table
CHECKED = ("table", "subjects", "problems")  # in `check`'s JSON
_READ = {
    "fitted": "the fit",
    "regions": "the atlas",
    "atlas": "the atlas",
    "config": "the configuration file",
    "maps": "the folder of maps",
}
_OPTIONS = ("options", "grid", "arguments")


def taken_by(given: Mapping[str, Any]) -> InputPaths:
    """The paths that a command reads.

    Args:
        given: its values by name, but for outputs. Paths are `Path`; text names a component, but for `options`, `grid`
            and `arguments`, where text that is a file's or folder's path is read as well.
    """
    taken = InputPaths()
    for name, value in given.items():
        if name in _OPTIONS:
            _take_options(taken, value)
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(one, Path) or not is_there(one):
                continue
            if name == "cohort":
                _take_cohort(taken, one)
            elif name == "root":
                taken.add(one, "the folder that images moved to", but=DERIVATIVES)
            elif one.is_dir():
                _take_folder(taken, one, _READ.get(name, f"the {name}"))
            else:
                _take_file(taken, one, _READ.get(name, f"the file of {name}"))
    return taken


def _take_cohort(taken: InputPaths, cohort: Path) -> None:
    """Take a cohort: its folder where it is given as one, but for `derivatives`; its table, and all that it names."""
    if cohort.is_dir():
        taken.add(cohort, "the cohort", but=DERIVATIVES)
    try:
        table = table_at(cohort)
    except InputError:  # told by who reads it
        if cohort.exists():
            taken.add(cohort, "the cohort", but=DERIVATIVES)
        return
    taken.add(table, "the cohort's table")
    beside = table.with_suffix(".json")
    if os.path.lexists(beside) and not _is_ours(beside):
        taken.add(beside, "the cohort's JSON")
    if (table.parent / TRUTH).is_file():
        taken.add(table.parent / TRUTH, "the cohort's truth")
    with contextlib.suppress(InputError):
        _take_rows(taken, *read_table(table), str(Path.cwd() / table.parent))


def _is_ours(file: Path) -> bool:
    """Whether `check` or `predict` wrote the JSON beside a table, which then is not the table's own."""
    with contextlib.suppress(InputError):
        found = read_json(file)
        return isinstance(found, dict) and any(set(keys) <= set(found) for keys in (PREDICTED, CHECKED))
    return False


def _take_rows(taken: InputPaths, names: Iterable[str], rows: Iterable[Row], root: str) -> None:
    """The files that a table names; a subject's folder as well, where they lie in one that is named after it."""
    bids = "image" not in [name.lower() for name in names]
    for row in rows:
        label = (row.cells.get("participant_id") or "").removeprefix("sub-")
        if bids and label and "/" not in label:
            taken.add(f"{root}/sub-{label}", "the cohort's folder")
        for column in FILE_COLUMNS:
            cell = row.cells.get(column)
            if cell is not None:
                own = label if f"/sub-{label}/" in f"/{cell}" else ""
                taken.add(cell if os.path.isabs(cell) else f"{root}/{cell}", f"the cohort's {column}", subject=own)


def _take_options(taken: InputPaths, value: Any, name: str = "") -> None:
    """The values of options that are the path of something that is there."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _take_options(taken, inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            _take_options(taken, inner, name)
    elif isinstance(value, str | Path) and is_there(Path(value)):
        path = Path(value)
        if path.is_file() and not _is_number(str(value)):
            _take_file(taken, path, f"the file of option {name}")
        elif path.is_dir() and os.sep in str(value) and str(value).strip("./"):  # `of=unoise` names no folder
            _take_folder(taken, path, f"the folder of option {name}")


def _take_folder(taken: InputPaths, folder: Path, what: str) -> None:
    """A folder that a run wrote; and what that run says that it read, as far as a command looks there again."""
    taken.add(folder, what)
    for record in (MANIFEST, "model.json", "fitted.json"):
        with contextlib.suppress(InputError):
            found = read_json(folder / record) if (folder / record).is_file() else None
            if not isinstance(found, dict):
                continue
            _take_options(taken, found.get("options"))
            asked = found.get("command") if found.get("kind") == "explain" else None
            for name in ("cohort", "fitted"):
                place = asked.get(name) if isinstance(asked, dict) else None
                if isinstance(place, str) and is_there(Path(place)):
                    _take_cohort(taken, Path(place)) if name == "cohort" else taken.add(place, "the fit")


def _take_file(taken: InputPaths, file: Path, what: str) -> None:
    """A file; and the folder of the run that wrote it, where there is one."""
    taken.add(file, what)
    with contextlib.suppress(InputError):
        manifest = file.absolute().parent / MANIFEST
        found = read_json(manifest) if manifest.is_file() else None
        if isinstance(found, dict) and {"kind", "interpbench"} <= set(found):
            taken.add(manifest.parent, f"{what}, in the run's folder")


def is_there(path: Path) -> bool:
    """Whether a path is a file, a folder or a link, be it to nothing; what no path can be is not there."""
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
