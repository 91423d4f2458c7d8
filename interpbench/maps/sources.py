"""Finds the images of maps: at the paths in their sidecars, or below another folder by their bytes."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from interpbench.errors import InputError, UsageError
from interpbench.files.hashes import Hashes

log = logging.getLogger("interpbench")

MOST_HASHED = 10_000  # files whose name tells nothing, in one search


class MissingImage(InputError):
    """An image or mask that was not found; `file` is its expected path, `why` the reason."""

    def __init__(self, file: PurePath | str, why: str = "is missing") -> None:
        super().__init__(f"{file}: {why}")
        self.file, self.why = Path(file), why


def recorded_path(file: Path, table_folder: Path | None) -> str:
    """The path of an image or mask in a sidecar: relative to the table's folder, or absolute if it lies elsewhere."""
    if table_folder is not None:
        try:
            return file.absolute().relative_to(table_folder.absolute()).as_posix()
        except ValueError:
            pass
    return str(file.absolute())


def table_folder_of(manifest: Mapping[str, Any]) -> Path | None:
    """The folder of the table that a run of `explain` read, from its manifest."""
    command = manifest.get("command")
    table = command.get("cohort") if isinstance(command, Mapping) else None
    return Path(table).parent if isinstance(table, str) and Path(table).is_absolute() else None


class MovedImages:
    """The files below a folder, found by path, name or bytes; each is hashed at most once. Threads may share it.

    Args:
        root: the folder.
        hashes: of the command's files.

    Raises:
        UsageError: it is no folder.
    """

    def __init__(self, root: str | Path, hashes: Hashes | None = None) -> None:
        self.root, self.hashes = Path(root), hashes or Hashes()
        if not self.root.is_dir():
            raise UsageError(f"root {root} is not a folder: give the folder that the images were moved to.")
        self._lock = threading.Lock()
        self._hashes: dict[Path, str | None] = {}
        self._known: dict[tuple[str, str], Path] = {}  # by suffix and hash
        self._left = MOST_HASHED

    def find(self, recorded: PurePath, sha256: str, relative: PurePath | None) -> Path:
        """The file with these bytes: at the same relative path, else of the same name, else of the same suffix.

        Raises:
            Gone: there is none.
        """
        there = [] if relative is None else [self.root / relative]
        with self._lock:
            found = self._of(there, sha256)
            if found is not None:
                return found
            named = sorted(self._by_name.get(recorded.name, ()), key=lambda file: -_alike(file, recorded))
            found = self._of(named, sha256) or self._of_any(recorded, sha256)
            if found is not None:
                return found
            others = [file for file in (*there, *named) if self._hashes.get(file)]
            bound = "" if self._left > 0 else f", of which {MOST_HASHED} were hashed"
        if others:
            why = "its content differs from the image that the map was made from, and so does every other file below"
            raise MissingImage(others[0], f"{why} {self.root}{bound}.")
        raise MissingImage(recorded, f"no file below {self.root} has its content (SHA-256 {sha256[:12]}...){bound}.")

    def _of(self, files: Iterable[Path], sha256: str) -> Path | None:
        return next((file for file in files if self._hash_of(file) == sha256), None)

    def _of_any(self, recorded: PurePath, sha256: str) -> Path | None:
        """A file of any name with the same suffix: one hashed before, else one that may still be hashed."""
        kind = _kind(recorded)
        found = self._known.get((kind, sha256))
        if found is None and self._left > 0 and self._unhashed.get(kind):
            log.info(
                "%s: no file with this name below %s has the same content; hashing the other files", recorded, self.root
            )
        while found is None and self._left > 0 and self._unhashed.get(kind):
            file = self._unhashed[kind].pop()
            if file not in self._hashes:
                self._left -= 1
                found = file if self._hash_of(file) == sha256 else None
                if self._left == 0:
                    log.warning("%s: %d files were hashed; the search stops here", self.root, MOST_HASHED)
        return found

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """Every file below the root, except in hidden folders."""
        found: dict[str, list[Path]] = {}
        for place, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                found.setdefault(name, []).append(Path(place, name))
        return found

    @functools.cached_property
    def _unhashed(self) -> dict[str, list[Path]]:
        """The files by suffix, the first last; each is taken off when it is hashed for its suffix alone."""
        found: dict[str, list[Path]] = {}
        for files in reversed(self._by_name.values()):
            for file in reversed(files):
                found.setdefault(_kind(file), []).append(file)
        return found

    def _hash_of(self, file: Path) -> str | None:
        """SHA-256 of a file; None if it cannot be read."""
        if file not in self._hashes:
            self._hashes[file] = None
            if os.path.isfile(file):
                with contextlib.suppress(InputError):
                    self._hashes[file] = sha256 = self.hashes.of(file)
                    self._known.setdefault((_kind(file), sha256), file)
        return self._hashes[file]


class SourceImages:
    """Finds the images and masks that a folder of maps was made from.

    Args:
        manifest: of that run.
        moved: where to look instead of where they were.
    """

    def __init__(self, manifest: Mapping[str, Any], moved: MovedImages | None = None) -> None:
        self.folder, self.moved = table_folder_of(manifest), moved

    def find(self, recorded: str, sha256: str) -> Path:
        """The path of the image or mask that a sidecar names; in another folder, its bytes must match the record.

        Args:
            recorded: relative to the table's folder, or absolute.

        Raises:
            Gone: it is not there.
        """
        if self.moved is not None:
            return self.moved.find(Path(recorded), sha256, self._relative(Path(recorded)))
        path = self.recorded(recorded)
        if not (path.is_absolute() and os.path.isfile(path)):
            raise MissingImage(path, "is missing since the map was made; if the images were moved, give --root DIR.")
        return path

    def recorded(self, recorded: str) -> Path:
        """The path of an image or mask when its map was made."""
        return Path(recorded) if self.folder is None else self.folder / recorded

    def _relative(self, path: Path) -> Path | None:
        if not path.is_absolute():
            return path
        return path.relative_to(self.folder) if self.folder is not None and path.is_relative_to(self.folder) else None


def _kind(file: PurePath) -> str:
    """The suffix, `.nii.gz` as a whole."""
    return "".join(file.suffixes[-2:]).lower() if file.suffix.lower() == ".gz" else file.suffix.lower()


def _alike(file: PurePath, recorded: PurePath) -> int:
    """The number of trailing parts that two paths share."""
    pairs = zip(reversed(file.parts), reversed(recorded.parts), strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), len(recorded.parts))
