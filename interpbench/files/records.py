"""Records that a run left, read again: JSON objects whose values are of the kinds that they must be.

Anything may have happened to such a file: an editor, another program, another version. Whoever reads one says which
kinds of values it needs, and everything else is refused here, in one line that names the file and the place in it.
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
    """A value that may be missing or null, else of this kind."""

    kind: Any


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind, of a certain length where one is given."""

    kind: Any
    length: int | None = None


@dataclass(frozen=True)
class MapOf:
    """Named values of one kind."""

    kind: Any


_CALLED: Mapping[Any, str] = {
    str: "text",
    dict: "set of named values",
    NUMBER: "number",
    int: "whole number",
    bool: "true or false",
    Path: "path",
    list: "list",
}


def read_record(path: Path, kinds: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Read a record.

    Args:
        kinds: of each value that is used: `str`, `int`, `bool`, `NUMBER`, `Path` (text that can be one), `list`,
            `dict`, a mapping of such kinds, `ListOf`, `MapOf`, or `Maybe` of one. Others may be anything.
        what: how the message calls such a record.

    Raises:
        InputError: no such file, no JSON, or a value that is missing or of another kind.
    """
    record = read_json(path, nan=True)  # numbers that are none are told of below, by name
    needed = [key for key, kind in kinds.items() if not isinstance(kind, Maybe)]
    lacking = [key for key in needed if key not in record] if isinstance(record, dict) else needed or ["its values"]
    if lacking:
        raise InputError(f"{path}: is no {what}, {', '.join(lacking)} missing.")
    fault = fault_in(record, kinds) or _no_number(record, "")
    if fault:
        raise InputError(f"{path}: {fault}.")
    return dict(record)


def fault_in(value: Any, kind: Any, where: str = "") -> str:
    """The first place where a value is not of its kind, as the end of a sentence; empty where there is none."""
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
        return f"{where or 'it'} is {str(value)[:60]!r}, which is no {_CALLED[kind]}"
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
    """Where a number is, whatever it is for, that no float can hold."""
    if isinstance(value, int | float) and not _is_finite(value):
        return f"{where} is {str(value)[:60]}, which is no number"
    inner: Any = ()
    if isinstance(value, dict):
        inner = ((one, f"{where}.{key}".lstrip(".")) for key, one in value.items())
    elif isinstance(value, list):
        inner = ((one, f"{where}[{place}]") for place, one in enumerate(value))
    return next((fault for one in inner if (fault := _no_number(*one))), "")


def is_path(text: str) -> bool:
    """Whether a file can have this path here."""
    try:
        content = os.fsencode(text)
    except UnicodeEncodeError:
        return False
    longest, name = _LONGEST
    return 0 < len(content) < longest and b"\0" not in content and max(map(len, content.split(b"/"))) <= name
