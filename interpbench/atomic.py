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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interpbench.errors import InputError, ResourceError, UsageError

TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.tmp(\..*)?")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path to write to, in the same folder and of the same suffix; it becomes `path` at the end.

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
        os.replace(temporary, path)
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
    """Make a folder, where it is missing.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}: {error.filename}).") from error


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, where it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes were writing in a folder; runs of their own below it are left alone."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.exists(os.path.join(place, name, "manifest.json"))]
        for name in files:
            if TEMPORARY.fullmatch(name):
                Path(place, name).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the file or folder really on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON, whole or not at all; NaN and infinity become null, paths and numpy numbers what they mean."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        InputError: no such file, or no JSON in it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}).") from error


def plain(value: Any) -> Any:
    """The value in JSON's own types."""
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
    """Write a table, whole or not at all; its columns are those asked for, then those of the rows as they come.

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
    text = " ".join(text.replace("\0", " ").split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
