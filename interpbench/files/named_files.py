"""The files and folders that the options of a component name, and their hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from interpbench.errors import InputError
from interpbench.files.atomic import sha256_of
from interpbench.options import option_fields


def files_in(component: Any) -> dict[str, Path]:
    """The files and folders that a component's options name, by option; options with choices name none."""
    if not dataclasses.is_dataclass(component):
        return {}
    return {
        place: file
        for one in option_fields(type(component))
        if not one.metadata.get("choices")
        for place, file in _paths(one.name, getattr(component, one.name))
    }


def hashes_of(files: Mapping[str, Path], sha256: Callable[[Path], str] = sha256_of) -> dict[str, str]:
    """SHA-256 of each file, and of each folder over the names and bytes of all files below it.

    Args:
        sha256: of one file.

    Raises:
        InputError: one cannot be read.
    """
    try:
        return {name: _content_sha256(file, sha256) for name, file in files.items()}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _paths(place: str, value: Any) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _paths(f"{place}.{name}", one)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _paths(f"{place}.{number}", one)
    elif isinstance(value, str) and value[:1] in ("{", "[") and not _is_there(value):  # arguments as JSON
        try:
            yield from _paths(place, json.loads(value))
        except (ValueError, RecursionError):
            return
    elif isinstance(value, str) and value and _is_there(value):
        yield place, Path(value)


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def _content_sha256(place: Path, sha256: Callable[[Path], str]) -> str:
    if not place.is_dir():
        return sha256(place)
    told = [[str(file.relative_to(place)), sha256(file)] for file in sorted(_files_below(place))]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder, also in those that links name; a folder inside itself is entered once."""
    entered = set[str]()
    for here, folders, names in os.walk(folder, followlinks=True):
        folders.sort()  # so that of two names of one folder always the same one is entered
        real = os.path.realpath(here)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield from (file for name in names if (file := Path(here, name)).is_file())
