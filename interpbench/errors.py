"""The one family of errors, each with the exit code that the command line ends in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InterpbenchError(Exception):
    """Something a user can understand and act on; printed as one line, without a traceback.

    `exit_code` is what the command line ends in.
    """

    exit_code = 5


class UsageError(InterpbenchError):
    """A word, name or value that the user gave does not exist or cannot be right."""

    exit_code = 2


class InputError(InterpbenchError):
    """An image, table or model that is refused before anything is computed."""

    exit_code = 3


class SubjectsFailed(InterpbenchError):
    """The run ended, but some subjects failed; they are listed in `failures.tsv`."""

    exit_code = 4


class PluginError(InterpbenchError):
    """A plugin is broken, or broke its interface's contract."""

    exit_code = 5


class NotApplicable(InterpbenchError):
    """A method has nothing to say about this network, or a measure about this map; others go on without it."""

    exit_code = 5


class ResourceError(InterpbenchError):
    """Disk or memory ran out."""

    exit_code = 6


class ConflictError(InterpbenchError):
    """The output belongs to another run."""

    exit_code = 7


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that suggests the nearest known word, with a space before it; nothing where none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
