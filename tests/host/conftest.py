"""Errors of every kind that another's code may raise."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator

import click
import pytest
import torch

import interpbench
from interpbench.errors import InterpbenchError, NotApplicable, PluginError


class NoMessage(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


class NumberAsMessage(ValueError):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307  what the test is about


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int = 1


@dataclasses.dataclass(frozen=True)
class OwnFrozen(PluginError):
    number: int = 1


class OwnWithoutMessage(PluginError):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


class OwnSuccess(PluginError):
    exit_code = 0


class OwnWord(NotApplicable):
    exit_code = "three"  # type: ignore[assignment]


class NotAnException(BaseException):
    pass


def own_cause(error: BaseException) -> BaseException:
    """The error as its own cause, which `raise error from error` makes."""
    error.__cause__ = error
    return error


def circle(error: BaseException, *, by: str) -> BaseException:
    """The error at the end of a circle of two that it led to."""
    first, second = ValueError("first"), ValueError("second")
    error.__context__ = first
    setattr(first, by, second)
    setattr(second, by, first)
    return error


def unpicklable() -> BaseException:
    return ValueError("locked", threading.Lock())


def family(kind: type[InterpbenchError] = InterpbenchError) -> Iterator[type[InterpbenchError]]:
    """Every class of the family that interpbench itself has."""
    for module in pkgutil.walk_packages(interpbench.__path__, "interpbench."):
        if module.name != "interpbench.__main__":
            importlib.import_module(module.name)
    found = [kind]
    while found:
        one = found.pop()
        found += one.__subclasses__()
        if one.__module__.split(".")[0] == "interpbench":
            yield one


Make = Callable[[], BaseException]

FAMILY: dict[str, tuple[Make, int]] = {
    kind.__name__: (lambda kind=kind: kind("what is wrong"), kind.exit_code)
    for kind in dict.fromkeys(family())  # type: ignore[misc]
}
ODD_FAMILY: dict[str, tuple[Make, int]] = {
    "an own error that is its own cause": (lambda: own_cause(NotApplicable("no layer")), 5),
    "an own error after a circle of causes": (lambda: circle(PluginError("broken"), by="__cause__"), 5),
    "an own error after a circle of contexts": (lambda: circle(PluginError("broken"), by="__context__"), 5),
    "an own error without a word": (lambda: PluginError(), 5),
    "an own error of two arguments": (lambda: PluginError("one", 2), 5),
    "an own error of many lines": (lambda: PluginError("one\n\ntwo\n"), 5),
    "an own error with half a character": (lambda: PluginError("\udcff"), 5),
    "an own error that is frozen": (lambda: OwnFrozen(), 5),
    "an own error whose message fails": (lambda: OwnWithoutMessage(), 5),
    "an own error whose exit code says success": (lambda: OwnSuccess("broken"), 5),
    "an own error whose exit code is a word": (lambda: OwnWord("broken"), 5),
}
FOREIGN: dict[str, tuple[Make, int]] = {
    "ValueError": (lambda: ValueError("a value"), 5),
    "nothing said": (lambda: ValueError(), 5),
    "KeyError": (lambda: KeyError("layer9"), 5),
    "AssertionError": (lambda: AssertionError(), 5),
    "OSError without a file": (lambda: OSError("disk"), 5),
    "OSError of a file": (lambda: FileNotFoundError(errno.ENOENT, "No such file or directory", "weights.bin"), 5),
    "a full disk": (lambda: OSError(errno.ENOSPC, "No space left on device", "x"), 6),
    "no memory, said by the system": (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), 6),
    "MemoryError": (lambda: MemoryError(), 6),
    "torch's own": (lambda: torch.OutOfMemoryError("CUDA out of memory"), 6),
    "RecursionError": (lambda: RecursionError("maximum recursion depth exceeded"), 5),
    "StopIteration": (lambda: StopIteration(), 5),
    "StopAsyncIteration": (lambda: StopAsyncIteration(), 5),
    "GeneratorExit": (lambda: GeneratorExit(), 5),
    "a cancelled task": (lambda: asyncio.CancelledError(), 5),
    "an exit in order": (lambda: SystemExit(0), 5),
    "an exit with words": (lambda: SystemExit("bye"), 5),
    "BrokenPipeError": (lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"), 5),
    "EOFError": (lambda: EOFError(), 5),
    "TimeoutError": (lambda: TimeoutError("too late"), 5),
    "click's Abort": (lambda: click.Abort(), 5),
    "click's Exit": (lambda: click.exceptions.Exit(0), 5),
    "click's UsageError": (lambda: click.UsageError("no such option"), 5),
    "a warning": (lambda: UserWarning("beware"), 5),
    "a group": (lambda: ExceptionGroup("several", [ValueError("a"), PluginError("b")]), 5),
    "a group with Ctrl-C": (lambda: BaseExceptionGroup("several", [KeyboardInterrupt()]), 5),
    "no Exception": (lambda: NotAnException("odd"), 5),
    "its own cause": (lambda: own_cause(ValueError("a")), 5),
    "a circle of causes": (lambda: circle(ValueError("a"), by="__cause__"), 5),
    "a circle of contexts": (lambda: circle(ValueError("a"), by="__context__"), 5),
    "a message that fails": (lambda: NoMessage(), 5),
    "a message that is a number": (lambda: NumberAsMessage(), 5),
    "frozen": (lambda: Frozen(), 5),
    "no pickle of it": (unpicklable, 5),
    "half a character": (lambda: ValueError("\ud800"), 5),
    "a million characters": (lambda: ValueError("x" * 1_000_000), 5),
    "many lines": (lambda: RuntimeError("one\n  two\r\n\x0b three"), 5),
}
ERRORS = {**FAMILY, **ODD_FAMILY, **FOREIGN}


@pytest.fixture(scope="session")
def errors() -> dict[str, tuple[Make, int]]:
    """By name: what makes the error, and the exit code that a command ends in."""
    return ERRORS


@pytest.fixture(params=ERRORS)
def way(request: pytest.FixtureRequest) -> str:
    """The name of every error, one after another."""
    return str(request.param)


@pytest.fixture(scope="session")
def own_family() -> set[str]:
    """The names of the errors that are interpbench's own."""
    return set(FAMILY)
