"""A subject's label, and whose scan it is as far as labels tell."""

from __future__ import annotations

import re

_SESSION = re.compile(r"(?<=[0-9])(?:ses|session|visit)[0-9]+$")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def person_of(label: str) -> str:
    """A name for the person whom a label means: labels that differ only in what tells scans apart have the same.

    That is what follows a `+`, a session at the end (`01ses2`), upper or lower case, and zeros before a number.
    """
    stem = _SESSION.sub("", label.split("+")[0].casefold())
    return _ZEROS.sub("", stem) or label


def rewritten(label: str) -> str:
    """Half a sentence on how to write a label that names a session or run; empty of any other."""
    parts = re.split(r"[^0-9A-Za-z+]+", label)
    return f"; several scans of one person are {parts[0]}+1, {parts[0]}+2, ..." if len(parts) > 1 and parts[0] else ""
