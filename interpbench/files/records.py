"""Reading the JSON records of runs, with a check of the types of their values.

A record may have been changed by an editor, another program or another version. Its reader states which types of
values it needs; anything else is refused in one line that names the file and the place in it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.errors import InputError
from interpbench.files.atomic import read_json

NUMBER = (int, float)
_WHOLE = 2**63
_LONGEST = 4096, 255  # bytes of a path, and of a name in it, that Linux takes


@dataclass(frozen=True)
class Maybe:
    """A value of this kind that may be missing or null."""

    kind: Any


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind, with an optional length."""

    kind: Any
    length: int | None = None


@dataclass(frozen=True)
class MapOf:
    """Named values of one kind."""

    kind: Any


_CALLED: Mapping[Any, str] = {
    str: "text",
    dict: "an object with named values",
    NUMBER: "a finite number",
    int: "an integer",
    bool: "true or false",
    Path: "a path",
    list: "a list",
}


def read_record(path: Path, kinds: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Read a record.

    Args:
        kinds: the kind of each value that is used: `str`, `int`, `bool`, `NUMBER`, `Path` (text that can be a path),
            `list`, `dict`, a mapping of such kinds, `ListOf`, `MapOf`, or `Maybe` of one. Other values are ignored.
        what: the name of such a record in a message.

    Raises:
        InputError: the file is missing or is not JSON, or a value is missing or of another kind.
    """
    record = read_json(path, nan=True)  # non-finite numbers are reported below, by name
    needed = [key for key, kind in kinds.items() if not isinstance(kind, Maybe)]
    lacking = [key for key in needed if key not in record] if isinstance(record, dict) else needed or ["its values"]
    if lacking:
        raise InputError(f"{path}: is not a {what}, it lacks {', '.join(lacking)}.")
    fault = fault_in(record, kinds) or _no_number(record, "")
    if fault:
        raise InputError(f"{path}: {fault}.")
    return dict(record)


def fault_in(value: Any, kind: Any, where: str = "") -> str:
    """The first value of another kind than required, as the end of a sentence; empty if there is none."""
    if isinstance(kind, Maybe):
        return "" if value is None else fault_in(value, kind.kind, where)
    inner: list[tuple[Any, Any, str]] = []
    if isinstance(kind, Mapping):
        right = isinstance(value, dict)
        if right:
            inner = [(value.get(key), one, f"{where}.{key}".lstrip(".")) for key, one in kind.items()]
        kind = dict
    elif isinstance(kind, ListOf):
        right = isinstance(value, list) and kind.length in (None, len(value))
        inner = [(one, kind.kind, f"{where}[{place}]") for place, one in enumerate(value)] if right else []
        kind = list
    elif isinstance(kind, MapOf):
        right = isinstance(value, dict)
        inner = [(one, kind.kind, f"{where}.{key}") for key, one in value.items()] if right else []
        kind = dict
    else:
        right = _is(value, kind)
    if not right:
        return f"{where or 'it'} is {str(value)[:60]!r}, but must be {_CALLED[kind]}"
    return next((fault for one in inner if (fault := fault_in(*one))), "")


def _is(value: Any, kind: Any) -> bool:
    if kind is NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _WHOLE
    if kind is Path:
        return isinstance(value, str) and is_path(value)
    if kind is str:
        return isinstance(value, str) and "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)
    return isinstance(value, kind)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _no_number(value: Any, where: str) -> str:
    """The first number that is not finite, as the end of a sentence; empty if there is none."""
    if isinstance(value, int | float) and not _is_finite(value):
        return f"{where} is {str(value)[:60]}, but must be a finite number"
    inner: Any = ()
    if isinstance(value, dict):
        inner = ((one, f"{where}.{key}".lstrip(".")) for key, one in value.items())
    elif isinstance(value, list):
        inner = ((one, f"{where}[{place}]") for place, one in enumerate(value))
    return next((fault for one in inner if (fault := _no_number(*one))), "")


def is_path(text: str) -> bool:
    """Whether a file can have this path on this system."""
    try:
        content = os.fsencode(text)
    except UnicodeEncodeError:
        return False
    longest, name = _LONGEST
    return 0 < len(content) < longest and b"\0" not in content and max(map(len, content.split(b"/"))) <= name
