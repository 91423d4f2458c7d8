"""Where a run may write: nowhere that is read by it, and over no file that is not its own.

No path that is written equals, holds or lies in a path that is read, records beside an output included. The command
line asks before torch is loaded, and each step of the Python API asks again, by the same names: what a command calls
its values is what this module knows them by.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from interpbench.cohort.in_memory import CohortSource, table_on_disk
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files.atomic import read_json
from interpbench.files.input_paths import InputPaths
from interpbench.files.run_folder import refuse_foreign, sidecar_of
from interpbench.run.inputs import CHECKED, PREDICTED, taken_by

RUN, FOLDER, TABLE, REPORT, CACHE = "run", "folder", "table", "report", "cache"  # what is written

WRITTEN: Mapping[str, Mapping[str, str]] = {  # by each command: its value that says where, and what is there then
    "phantom": {"out": FOLDER},
    "plant": {"out": RUN},
    "check": {"json_out": REPORT},
    "train": {"out": RUN},
    "adopt": {"out": RUN},
    "predict": {"out": TABLE},
    "fit": {"out": RUN, "cache": CACHE},
    "search": {"out": RUN, "cache": CACHE},
    "explain": {"out": RUN},
    "aggregate": {"out": RUN},
    "benchmark": {"out": RUN},
    "verify": {},
    "methods": {},
    "trust": {},
    "demo": {"out": FOLDER},
}
_WORDS = {"out": "output", "cache": "cache", "json_out": "JSON file"}
_checked: ContextVar[str] = ContextVar("_checked", default="")  # the command whose places are checked already


@contextlib.contextmanager
def places_checked(command: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Check the places of a command before it runs; while it does, its step of the pipeline need not do so again.

    Raises:
        As `check_places`.
    """
    check_places(command, given)
    token = _checked.set(command)
    try:
        yield
    finally:
        _checked.reset(token)


def check_places(command: str, given: Mapping[str, Any]) -> None:
    """Refuse an output that would destroy what is read, what is another's, or that cannot be written.

    Args:
        command: its name; `WRITTEN` says which of its values are outputs. Every other path is read.
        given: its values by name, as for `taken_by`.

    Raises:
        UsageError: an output is, holds or lies in something that is read, or cannot be written.
        ConflictError: there is something of another's already.
    """
    if _checked.get() == command:
        return
    written = {name: kind for name, kind in WRITTEN[command].items() if given.get(name) is not None}
    if not written:
        return
    for name in written:
        _check_writable(_WORDS[name], Path(given[name]))
    outputs = [place for name, kind in written.items() for place in _outputs(name, Path(given[name]), kind)]
    taken = taken_by({name: value for name, value in given.items() if name not in written})
    refuse_taken(taken, outputs)
    _apart(outputs)
    for name, kind in written.items():
        _refuse_foreign(Path(given[name]), kind)


def placed_cohort(command: str, cohort: CohortSource, given: Mapping[str, Any]) -> Path:
    """Check the places of a command, and return the path of its cohort.

    A cohort in memory is written as a table beside the output, once the output may be written at all.

    Args:
        command, given: as for `check_places`, without the cohort.

    Raises:
        UsageError, ConflictError: as `check_places` and `table_on_disk`.
        InputError: as `table_on_disk`.
    """
    if not isinstance(cohort, str | Path):
        check_places(command, given)
    path = table_on_disk(cohort, given["out"])
    check_places(command, {"cohort": path, **given})
    return path


def refuse_taken(taken: InputPaths, outputs: Iterable[tuple[str, Path, bool]]) -> None:
    """Refuse outputs that touch what is taken.

    Args:
        outputs: what each is called, its path, and whether it is a folder.

    Raises:
        UsageError: naming both.
    """
    for word, path, folder in outputs:
        touched = taken.touched(path, folder=folder)
        if touched is None:
            continue
        how, found = touched
        if how == "is":
            raise UsageError(f"The {word} {path} is {found.what} itself, {found.path}: give another path.")
        where = "another folder" if how == "holds" else "a folder outside"
        where += f", or below {Path(found.path, found.but)}" if found.but and how == "lies in" else ""
        raise UsageError(f"The {word} {path} {how} {found}, which the command reads: choose {where}.")


def _outputs(name: str, path: Path, kind: str) -> Iterator[tuple[str, Path, bool]]:
    """All that is written where a value says so: what it is called, its path, whether it is a folder."""
    word, folder = _WORDS[name], kind in (RUN, FOLDER, CACHE)
    yield word, path, folder
    if kind == TABLE:
        record = _record_beside(path)
        yield f"record of the {word} {path},", record, False
    if folder and path.is_dir():
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for one in entries:  # a link to a folder: what is written below it lands elsewhere
                if one.is_symlink() and one.is_dir():
                    yield word, Path(one.path), True


def _record_beside(path: Path) -> Path:
    if not path.name or path.is_dir():
        raise UsageError(f"The output {path} is a folder: give a file for the table.")
    record = sidecar_of(path)
    if record == path:
        raise UsageError(f"The output {path} would replace its own record: give a name that ends in .tsv.")
    return record


def _check_writable(word: str, path: Path) -> None:
    try:
        if b"\0" in os.fsencode(path):
            raise UsageError(f"The {word} {str(path)!r} contains a NUL character.")
        os.lstat(path)
    except UnicodeEncodeError:
        raise UsageError(f"The {word} {str(path)!r} is not a valid file name.") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise UsageError(f"The {word} {str(path)[:100]} cannot be written: {error.strerror}.") from None
    above = path.absolute()
    while not os.path.lexists(above):
        above = above.parent
    if above != path.absolute() and not above.is_dir():
        raise UsageError(f"The {word} {path}: {above} is not a folder, so no file can be written below it.")
    if not os.access(above, os.W_OK):
        raise UsageError(f"The {word} {path}: {above} is not writable.")


def _apart(outputs: list[tuple[str, Path, bool]]) -> None:
    """Refuse outputs that lie in each other, such as a cache inside a run's folder: each is read again later."""
    names = list(dict.fromkeys(word for word, _, _ in outputs))
    for first in names:
        taken = InputPaths()
        for word, path, _ in outputs:
            if word == first:
                taken.add(path, f"the {word}")
        refuse_taken(taken, [one for one in outputs if one[0] != first and "record" not in one[0] + first])


def _refuse_foreign(path: Path, kind: str) -> None:
    """Refuse to write over what is another's.

    Raises:
        ConflictError: naming it.
    """
    if kind == RUN:
        refuse_foreign(path)
    elif kind == CACHE and path.exists() and not path.is_dir():
        raise UsageError(f"The cache {path} is a file: give a folder for prepared volumes.")
    elif kind == TABLE:
        refuse_foreign_file(path, sidecar_of(path), PREDICTED, "table that `interpbench predict` wrote")
    elif kind == REPORT:
        refuse_foreign_file(path, path, CHECKED, "JSON that `interpbench check` wrote")


def refuse_foreign_file(path: Path, record: Path, keys: Iterable[str], what: str) -> None:
    """Refuse to replace a file, or the record beside it, where the record is not of this kind.

    Args:
        keys: that such a record has.
        what: how the message calls it.

    Raises:
        ConflictError: naming the file that is in the way.
    """
    there = [one for one in (path, record) if os.path.lexists(one)]
    if not there:
        return
    with contextlib.suppress(InputError):
        found = read_json(record)
        if isinstance(found, dict) and set(keys) <= set(found) and all(one.is_file() for one in there):
            return
    raise ConflictError(f"{there[0]} exists already and is not a {what}: give another name, or remove it.")
