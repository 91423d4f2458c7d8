"""The files and folders that a run reads, and that may not be written to.

A path is known by where it really lies, links resolved, and by the file system's own number for it. So another
spelling, a link of either kind and a second mount are the same file. Each folder is looked at once, however many
files lie in it: a table of 100,000 images takes about a second.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LINKS = 40  # as many in a row as Linux follows
_DOTS = ("", os.curdir, os.pardir)

Key = str | tuple[int, int]  # a real path; or device and number of a file


@dataclass(frozen=True)
class InputPath:
    """One file or folder that is read: what it is to the run (`the predictor`), and its path."""

    what: str
    path: str
    but: str = ""  # of a folder that is read as a whole: the folder in it below which one may write
    subject: str = ""  # whose file it is

    def __str__(self) -> str:
        return f"{self.what} {self.path}"


@dataclass
class InputPaths:
    """All paths that a run reads; `touched` reports what writing to a path would change."""

    places: dict[Key, InputPath] = field(default_factory=dict)  # each file and folder itself
    above: dict[Key, InputPath] = field(default_factory=dict)  # every folder in which one of them lies
    whole: dict[Key, InputPath] = field(default_factory=dict)  # the folders of which everything is read
    _real: dict[str, str] = field(default_factory=dict)  # folders, where they really lie

    def add(self, path: str | Path, what: str, *, but: str = "", subject: str = "") -> None:
        """Take a file, or a folder with everything in it; what is not there yet, by its path.

        Args:
            but: a name in the folder; below it one may write.
            subject: whose file it is: a folder `sub-SUBJECT` above it is taken as a whole.
        """
        reading = InputPath(what, os.fspath(path), but, subject)
        place = reading.path if os.path.isabs(reading.path) else os.path.join(os.getcwd(), reading.path)
        folder, name = os.path.split(place.rstrip(os.sep) or os.sep)
        self.add_in(self.folder(folder, reading), name, reading)

    def add_in(self, folder: str, name: str, reading: InputPath) -> None:
        """The same of a name in a folder whose real path is known."""
        for _ in range(LINKS):
            place = f"{folder}{os.sep}{name}" if name not in _DOTS else os.path.normpath(os.path.join(folder, name))
            found = _status(place)
            self.places.setdefault(place, reading)
            if found is None:
                return
            if stat.S_ISDIR(found.st_mode):
                for key in _keys(place, found):
                    self.whole.setdefault(key, reading)
            if not stat.S_ISLNK(found.st_mode):
                self.places.setdefault((found.st_dev, found.st_ino), reading)
                return
            target, name = os.path.split(os.path.join(folder, os.readlink(place)).rstrip(os.sep))
            folder = self.folder(target, reading)

    def touched(self, path: str | Path, *, folder: bool) -> tuple[str, InputPath] | None:
        """How a path that will be written meets what is read, `is`, `lies in` or `holds`, and what that is.

        Args:
            folder: a folder of whose content nothing is safe; else a file.
        """
        place = os.path.abspath(path)
        beside = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))  # a link as it stands
        for one in dict.fromkeys((os.path.realpath(path), beside)):
            keys = list(_keys(one, _status(one, follow=True)))
            for key in keys:
                if key in self.places:
                    return "is", self.places[key]
            for parent in _parents(one):
                parts = one[len(parent) :].strip(os.sep).split(os.sep)
                for key in _keys(parent, _status(parent, follow=True)):
                    found = self.whole.get(key)
                    if found and not (parts[0] == found.but and len(parts) > 1):
                        return "lies in", found
                    found = self.above.get(key)
                    if found and found.subject and os.path.basename(parent) == f"sub-{found.subject}":
                        return "lies in the folder of", found
            for key in keys:
                if folder and key in self.above:
                    return "holds", self.above[key]
        return None

    def folder(self, path: str, reading: InputPath, links: int = LINKS) -> str:
        """Where a folder really lies; it, and what it lies in, are noted as holding what is read."""
        below: list[tuple[str, str]] = []
        here = path
        while (real := self._real.get(here)) is None:
            above, name = os.path.split(here)
            if above == here:  # the root
                real = self._real[here] = here
                self._note(here, reading)
                break
            below.append((here, name))
            here = above
        for here, name in reversed(below):
            base, real = real, f"{real.rstrip(os.sep)}{os.sep}{name}"
            if name in _DOTS:
                real = os.path.normpath(real)
            else:
                found = self._note(real, reading)
                if found is not None and stat.S_ISLNK(found.st_mode) and links:
                    self._real[here] = real  # so that a circle of links ends here
                    real = self.folder(os.path.join(base, os.readlink(real)), reading, links - 1)
            self._real[here] = real
        return real

    def _note(self, place: str, reading: InputPath) -> os.stat_result | None:
        found = _status(place)
        self.above.setdefault(place, reading)
        if found is not None and found.st_ino:
            self.above.setdefault((found.st_dev, found.st_ino), reading)
        return found


def _keys(place: str, found: os.stat_result | None) -> Iterator[Key]:
    yield place
    if found is not None and found.st_ino:
        yield found.st_dev, found.st_ino


def _status(place: str, *, follow: bool = False) -> os.stat_result | None:
    try:
        return os.stat(place) if follow else os.lstat(place)
    except (OSError, ValueError):  # not there, or no path at all
        return None


def _parents(place: str) -> Iterator[str]:
    while (parent := os.path.dirname(place)) != place:
        yield parent
        place = parent
