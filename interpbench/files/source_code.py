"""The files that hold the code of classes and functions, with what they import beside them, and one hash over them."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# Their versions are in every run's identity; their files need not be read.
_BY_VERSION = ("builtins", "captum", "interpbench", "monai", "numpy", "torch")
_INSTALLED = ("site-packages", "dist-packages")


def source_files(things: Iterable[Any]) -> tuple[Path, ...]:
    """The source files of classes and functions, and those that these import, sorted.

    Of what is imported, modules count that lie in the same package, or beside it where that is not installed: a
    `helper.py` next to the file of a network. What has no file, or is known by its version, has none.
    """
    left = [file for thing in things for file in _own_files(thing)]
    found: set[Path] = set()
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += _imported(file, file.stat().st_mtime_ns)
    return tuple(sorted(found))


def source_sha256(things: Iterable[Any]) -> str | None:
    """SHA-256 over the bytes of their source files, independent of where they lie; None without source files."""
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in source_files(things))
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None


def _own_files(thing: Any) -> Iterator[Path]:
    for part in inspect.getmro(thing) if inspect.isclass(thing) else (thing,):
        if str(getattr(part, "__module__", "builtins")).partition(".")[0] in _BY_VERSION:
            continue
        try:
            file = inspect.getsourcefile(part)
        except (OSError, TypeError):  # made while the program runs
            continue
        if file and Path(file).is_file():
            yield Path(file)


@functools.lru_cache(maxsize=4096)
def _imported(file: Path, _modified: int) -> tuple[Path, ...]:
    """The files of the modules that a source file imports, as far as they count; cached until the file changes."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    root = file.parent
    while (root / "__init__.py").is_file() and root.parent != root:
        root = root.parent
    found: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [one for name in node.names for one in _files_of(root, name.name.split("."))]
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(file.parents):
                continue  # beyond the root of the file system
            base = root if not node.level else file.parents[node.level - 1]
            parts = node.module.split(".") if node.module else []
            found += [one for name in node.names for one in _files_of(base, [*parts, name.name])]
    return tuple(one for one in found if _counts(one, file, root))


def _files_of(base: Path, parts: list[str]) -> Iterator[Path]:
    """The files of a module below a folder and of its parent packages; the last part need not be a module."""
    for number in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:number])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file


def _counts(file: Path, by: Path, root: Path) -> bool:
    """Whether an imported file belongs to the same package, or to no installed package."""
    if not file.is_relative_to(root):  # `from .. import` in a folder that is no package itself
        return not any(part in _INSTALLED for part in file.parts)
    top, own = (one.relative_to(root).parts[0].removesuffix(".py") for one in (file, by))
    if top in _BY_VERSION:
        return False
    return top == own or not any(part in _INSTALLED for part in root.parts)
