"""Subject labels, and the person whose scan a label names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SESSION = re.compile(r"(?<=[0-9])(?:ses|session|visit)[0-9]+$")
_OF_ONE = re.compile(
    r"(?:ses|session|visit|run|scan|wave|tp|timepoint)[0-9A-Za-z]*|bl|baseline|fu[0-9]*|followup[0-9]*", re.IGNORECASE
)
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_MAYBE = re.compile(
    r"(.+?)(m\d+|bl|baseline|fu\d*|followup\d*|v\d+|t\d+|tp\d+|wave\d+|(?:re)?scan\d*|run\d+|mr\d+|ses\w*|visit\w*"
    r"|y\d+|pre|post\d*|(?:re)?test\d*|first|second|third|(?<=\d)(?:[a-d]|[sw]\d+)|(?:19|20)\d{6})",
    re.IGNORECASE,
)
_DAY = len("20260131")
_SCANS = 8  # of one person, at most: more labels with one stem are a study's, numbered


def person_of(label: str) -> str:
    """The name of the person in a label; labels of several scans of one person give the same name.

    That is what follows a `+`, a session at the end (`01ses2`), upper or lower case, and zeros before a number.
    """
    stem = _SESSION.sub("", label.split("+", maxsplit=1)[0].casefold())
    return _ZEROS.sub("", stem) or label


def rewritten(label: str) -> str:
    """Advice on how to write a label with other characters, as the end of a sentence; empty for a valid label."""
    bare = re.sub(r"^(?:sub[-_ ])+", "", label, flags=re.IGNORECASE)
    if number := re.fullmatch(r"([0-9]+)[.,]0+", bare):
        return f"; write {number.group(1)}"
    parts = [part for part in re.split(r"[-_. ]+", bare) if part]
    if not parts or not all(re.fullmatch(r"[0-9A-Za-z+]+", part) for part in parts):
        return ""
    last = next((place for place, part in enumerate(parts) if place and _OF_ONE.fullmatch(part)), len(parts))
    if last == 2 == len(parts) and re.fullmatch("[0-9]", parts[1]):
        last = 1  # 01-2
    stem = "".join(parts[:last])
    if last < len(parts):
        return f"; several scans of one person are {stem}+1, {stem}+2, ..."
    return f"; remove the other characters: {stem}" if stem != label else ""


def perhaps_one(labels: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Labels that may name scans of one person although they have no `+`: `01m12` and `01m24`, `01bl` and `01fu`.

    Returns:
        `{stem: [(label, suffix), ...]}`, the suffix empty where there is none. Empty unless half of all labels, and
        four, pair up on a stem: few that do are an accident.
    """
    given, found = list(labels), dict[str, list[tuple[str, str]]]()
    for label in given:
        match = _MAYBE.fullmatch(label)
        stem, suffix = match.groups() if match else (label, "")
        found.setdefault(stem.casefold(), []).append((label, suffix))
    pairs = {
        stem: some
        for stem, some in found.items()
        if 1 < len(some) <= _SCANS and len({person_of(label) for label, _ in some}) > 1
    }
    paired = [one for some in pairs.values() for one in some]
    suffixes = {"a day" if len(suffix) == _DAY and suffix.isdigit() else suffix.casefold() for _, suffix in paired}
    # Suffixes come again from person to person, save days; where each is new, the labels are merely numbered.
    many = len(paired) >= 4 and 2 * len(paired) >= len(given) and 2 * len(suffixes) <= len(paired)
    return pairs if many else {}
