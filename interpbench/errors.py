"""All errors that are shown to users, each with its exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 2000  # characters of a message


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


def message_of(error: BaseException) -> str:
    """An error's message as one line of at most 2,000 characters; empty where it has none, or none that can be read."""
    try:
        text = " ".join(str(error).split())
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # another's error may fail while it is asked for its message
        return f"its message cannot be read ({type(fault).__name__})"
    text = text.encode("utf-8", "backslashreplace").decode()  # halves of a surrogate pair cannot be written to a file
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def one_line(error: BaseException) -> str:
    """An error's type and message as one line, without a full stop at its end."""
    text = message_of(error).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def exit_code_of(error: InterpbenchError) -> int:
    """What the command line ends in: the error's own code, or its family's where a plugin's class has none that can be.

    0 would say that all is well, and shells keep 128 and above for signals.
    """
    code: object = error.exit_code
    return code if type(code) is int and 0 < code < 128 else nearest_kind(error).exit_code


def nearest_kind(error: InterpbenchError) -> type[InterpbenchError]:
    """The class of this module that an error of the family is, or derives from."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == __name__)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that suggests the nearest known word, with a space before it; nothing where none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
