"""Files that appear whole or not at all: a temporary file in the same folder, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interpbench.errors import InputError, ResourceError, UsageError

TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.tmp(\..*)?")
DEEPEST = 60  # lists and names inside each other, in a record
LONGEST_NUMBER = 300  # digits of a whole number; a float holds 308
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder and with the same suffix; it is renamed to `path` at the end.

    The folder is made where it is missing. After an exception `path` is as it was, and nothing is left beside it.

    Raises:
        ResourceError: the disk is full.
        UsageError: the folder cannot be made or written in.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    temporary = path.with_name(f".{path.name.removesuffix(suffix)[:100]}.{secrets.token_hex(6)}.tmp{suffix}")
    try:
        make_folder(path.parent)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise ResourceError(f"{path}: not written, the disk or the quota is full ({error.strerror}).") from error
        if isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
            raise UsageError(f"{path}: cannot be written ({error.strerror}: {error.filename}).") from error
        raise
    finally:
        with contextlib.suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)  # gone already where all went well


def make_folder(folder: Path) -> None:
    """Make a folder if it is missing.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}: {error.filename}).") from error


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove the temporary files of killed processes in a folder; other runs below it are not touched."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.exists(Path(place, name, "manifest.json"))]
        for name in files:
            if TEMPORARY.fullmatch(name):
                Path(place, name).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush a file or folder to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        # a byte in a file's name that is no UTF-8 becomes \\udcXX, which JSON reads back as it was
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically; NaN and infinity become null, paths become text, numpy numbers become numbers."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str, *, nan: bool = False) -> Any:
    """Read JSON, as strict as `write_json`.

    Args:
        nan: take NaN, infinity and numbers that no float holds as well.

    Raises:
        InputError: no such file, or no JSON in it; a name twice, a number that no float holds, text that is none, or
            values nested deeper than any record's.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise InputError(f"{path}: is not a regular file.")
        text = Path(path).read_text(encoding="utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=int if nan else _whole,
            parse_float=float if nan else _finite,
            parse_constant=float if nan else _refuse,
        )
        if text.count("[") + text.count("{") > DEEPEST or "\\u" in text:
            _check(value, DEEPEST)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}).") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} occurs twice")
    return found


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:60]} is too large for a number")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _check(value: Any, deeper: int) -> None:
    """Refuse JSON that is nested too deep, and half characters other than those for a byte of a file name."""
    if deeper < 0:
        raise ValueError(f"nested more than {DEEPEST} deep")
    if isinstance(value, str):
        half = next((one for one in value if "\ud800" <= one <= "\udfff" and not "\udc80" <= one <= "\udcff"), None)
        if half:
            raise ValueError(f"{half!r} is half a character")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check(name, deeper)
            _check(inner, deeper - 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, deeper - 1)


def plain(value: Any) -> Any:
    """The value converted to JSON types."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # numpy and torch, without importing them
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    raise TypeError(f"{type(value).__name__} has no place in JSON: {value!r}")


def write_tsv(path: Path | str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write a table atomically, with the given columns first and then those that the rows add.

    None and NaN become `n/a`. Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))


def _cell(value: Any) -> str:
    value = plain(value)
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = re.sub(r"\s*[\0\t\r\n]\s*", " ", text).strip()  # other blanks stay: a file's name may have two in a row
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def is_file(path: Path | str) -> bool:
    """Whether the path is a regular file; False for a path that no file can have."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
