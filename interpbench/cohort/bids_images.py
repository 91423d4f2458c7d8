"""The T1w images of a participant by BIDS names, selected by the session and run of the row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

SESSION_COLUMNS = ("session_id", "session", "ses")
RUN_COLUMNS = ("run_id", "run")
_ENDINGS = ("T1w.nii.gz", "T1w.nii")  # none wins over the other: a session may be stored in each
_RUN = re.compile(r"_run-([0-9A-Za-z+]+)(?=_)")
_SESSION = re.compile(r"_(ses-[0-9A-Za-z+]+)(?=_)")
_SUBJECT = re.compile(r"sub-([0-9A-Za-z]+)(?=[_+])")


def t1w_images(folder: Path) -> list[Path]:
    """All T1w images below a participant's folder, `**/anat/*T1w.nii.gz` and `.nii`, in the order of their names."""
    found = (path for ending in _ENDINGS for path in folder.glob(f"**/anat/*{ending}"))
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def wanted_session_and_run(cells: Mapping[str, str | None]) -> tuple[str, ...]:
    """The session and run in a row, such as `ses-1` and `run-1`; empty if it has neither."""
    session, run = _first(cells, SESSION_COLUMNS), _first(cells, RUN_COLUMNS)
    told = (session and f"ses-{session.removeprefix('ses-')}", run and f"run-{_index(run.removeprefix('run-'))}")
    return tuple(word for word in told if word)


def matching_images(folder: Path, images: Iterable[Path], words: Iterable[str]) -> list[Path]:
    """The images of the wanted session and run; the session is ignored if no image has one."""
    places = {image: set(_places(folder, image)) for image in images}
    sessions = any(place.startswith("ses-") for found in places.values() for place in found)
    asked = {word for word in words if sessions or not word.startswith("ses-")}
    return [image for image, found in places.items() if asked <= found]


def session_and_run(folder: Path, image: Path, words: Iterable[str]) -> str:
    """The session and run of an image, as far as `words` name them."""
    told = {place.partition("-")[0]: place for place in _places(folder, image)}
    return " ".join(told.get(word.partition("-")[0], "no session") for word in words)


def contradiction(folder: Path, image: Path) -> str | None:
    """What the name of an image says of its subject or session that its folder does not; None where they agree."""
    told = _SUBJECT.match(image.name)
    if told and _bare(told.group(1)) != _bare(folder.name.removeprefix("sub-").partition("+")[0]):
        return f"the image is named for sub-{told.group(1)}, but lies in the folder {folder.name}"
    session, named = _sessions_of_folder(folder, image), _SESSION.search(image.name)
    if session and named and named.group(1) != session[0]:
        return f"the image is named for {named.group(1)}, but lies in a folder {session[0]}"
    return None


def _places(folder: Path, image: Path) -> tuple[str, ...]:
    """The session of an image, from its folder or its name, and its run, which is 1 if none is named."""
    session = _sessions_of_folder(folder, image) or _SESSION.findall(image.name)[:1]
    run = _RUN.search(image.name)
    return (*session, f"run-{_index(run.group(1)) if run else '1'}")


def _sessions_of_folder(folder: Path, image: Path) -> list[str]:
    return [part for part in image.relative_to(folder).parts[:-1] if part.startswith("ses-")][:1]


def _bare(label: str) -> str:
    """A label without leading zeros, in lower case."""
    return label.lstrip("0").casefold()


def _index(run: str) -> str:
    """The number of a run, without leading zeros."""
    return str(int(run)) if run.isascii() and run.isdigit() else run


def _first(cells: Mapping[str, str | None], columns: Iterable[str]) -> str | None:
    return next((cell for name in columns if (cell := cells.get(name)) is not None), None)
