"""The command line, one file for each command. Here an error becomes one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from interpbench.cli.group import interpbench
from interpbench.cli.messages import printable
from interpbench.cli.signals import Stopped, stopped_by_signals
from interpbench.errors import (
    InputError,
    InterpbenchError,
    PluginError,
    ResourceError,
    UsageError,
    exit_code_of,
    message_of,
    one_line,
)

INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with an exit code (`interpbench.errors` lists them)."""
    try:
        with stopped_by_signals():
            code = _run(arguments)
        sys.exit(code or 0)
    except BrokenPipeError:  # whoever read our output has gone, as in `interpbench methods | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit:
        raise
    except BaseException as error:  # also what derives from nothing narrower, as a task that asyncio cancels does
        line, code = line_and_code(error)
        with contextlib.suppress(OSError, ValueError):  # standard error may be closed
            click.echo(line, err=True)
        sys.exit(code)


def _run(arguments: Sequence[str] | None) -> Any:
    try:
        return interpbench.main(arguments, prog_name="interpbench", standalone_mode=False)
    except SystemExit as error:  # no command of ours: what it was about to say or write may be missing
        raise PluginError(f"a plugin or the network's own code tried to exit the program ({error.code!r}).") from error


def line_and_code(error: BaseException) -> tuple[str, int]:
    """The line that the user reads, and the exit code."""
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__  # click turns these two into Abort: Ctrl-C, and EOFError
    if isinstance(error, Stopped):
        return (
            f"Interrupted ({error.name}). Finished work is kept: run the same command again to continue.",
            error.exit_code,
        )
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f" See `{context.command_path} --help`." if context else ""
        return _line(error.format_message()) + hint, UsageError.exit_code
    if isinstance(error, InterpbenchError):
        return _line(message_of(error) or type(error).__name__), exit_code_of(error)
    if isinstance(error, MemoryError):
        return "Error: out of memory.", ResourceError.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        code = ResourceError.exit_code if error.errno in _FULL else InputError.exit_code
        return _line(f"{error.filename}: {error.strerror}."), code
    calls = traceback.extract_tb(error.__traceback__)
    where = f" in {calls[-1].filename}, line {calls[-1].lineno}" if calls else ""
    bug = f"{one_line(error)}{where}"
    return _line(f"this is a bug: {bug}. Use -vv to show the traceback."), PluginError.exit_code


def _line(text: str) -> str:
    return printable(f"Error: {' '.join(text.split())}", sys.stderr)
