"""The files that hold the code of classes and functions, and one hash over them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Their versions are in every run's identity; their files need not be read.
_BY_VERSION = ("builtins", "captum", "interpbench", "monai", "numpy", "torch")


def source_files(things: Iterable[Any]) -> tuple[Path, ...]:
    """The source files of classes and functions, sorted; none for what has no file, or is known by its version."""
    found: set[Path] = set()
    for thing in things:
        for part in inspect.getmro(thing) if inspect.isclass(thing) else (thing,):
            if str(getattr(part, "__module__", "builtins")).partition(".")[0] in _BY_VERSION:
                continue
            try:
                file = inspect.getsourcefile(part)
            except (OSError, TypeError):  # made while the program runs
                continue
            if file and Path(file).is_file():
                found.add(Path(file))
    return tuple(sorted(found))


def source_sha256(things: Iterable[Any]) -> str | None:
    """SHA-256 over the bytes of their source files, wherever these lie; None where there are none."""
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in source_files(things))
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None
