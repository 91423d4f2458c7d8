"""Calls of other people's code: whatever it raises becomes one `InterpbenchError`.

What belongs to the family already goes on as it is, as long as its message and its exit code can be used. Ctrl-C goes
on too. All else is an error of whoever was asked: also an exit, an end of a generator, and what derives from
BaseException only, as a task that asyncio cancels does.
"""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager
from types import TracebackType

import torch
from torch import Tensor

from interpbench.errors import (
    InterpbenchError,
    PluginError,
    ResourceError,
    exit_code_of,
    message_of,
    nearest_kind,
    one_line,
)

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class asking(AbstractContextManager[None]):  # noqa: N801  used as a function is
    """Call other people's code inside this block; whatever it raises becomes an `InterpbenchError`.

    Args:
        who: the component, as a message names it: `method 'occlusion'`.
        volumes: what it is given, `(B, 1, I, J, K)`; for the message where memory runs out.
        what: what has happened to it where it raises, in the message.

    Raises:
        InterpbenchError: as `trouble`.
    """

    def __init__(self, who: str, volumes: Tensor | None = None, *, what: str = "failed") -> None:
        self._who, self._volumes, self._what = who, volumes, what

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, KeyboardInterrupt):
            return
        told = trouble(error, self._who, self._volumes, what=self._what)
        if told is not error:
            raise told from error


def trouble(error: BaseException, who: str, volumes: Tensor | None = None, *, what: str = "failed") -> InterpbenchError:
    """The `InterpbenchError` for an error raised by other people's code; the same error if it already is one.

    Args:
        who: the component that was asked.
        volumes: what it was given, `(B, 1, I, J, K)`.
        what: what has happened to it.
    """
    if isinstance(error, InterpbenchError):
        return error if _usable(error) else nearest_kind(error)(f"{who} {what}: {one_line(error)}.")
    number = error.errno if isinstance(error, OSError) else None
    if no_memory(error):
        given = ""
        if volumes is not None:
            shape = "x".join(str(edge) for edge in volumes.shape[2:])
            number = volumes.shape[0]
            given = f" on {number} {'volume' if number == 1 else 'volumes'} of {shape} at once"
        return ResourceError(f"{who} ran out of memory{given}.")
    if number in _FULL:
        return ResourceError(f"{who} could not write because the disk or the quota is full: {one_line(error)}.")
    return PluginError(f"{who} {what}: {one_line(error)}.")


def _usable(error: InterpbenchError) -> bool:
    """Whether an `InterpbenchError` can be printed and raised again: a plugin may define its own class."""
    try:
        text = str(error)
        text.encode()
        error.__traceback__ = error.__traceback__  # a frozen one fails wherever it is carried through a context
    except Exception:
        return False
    return bool(text.strip()) and exit_code_of(error) == error.exit_code


def no_memory(error: BaseException) -> bool:
    """Whether an error reports that memory ran out; torch reports this for the CPU as a plain RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = message_of(error).lower()
    return any(words in text for words in _NO_MEMORY)
