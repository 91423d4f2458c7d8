"""The command line: one file a command. Here is where an error becomes one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from interpbench.cli.group import interpbench
from interpbench.errors import InputError, InterpbenchError, PluginError, ResourceError, UsageError

INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with an exit code (`interpbench.errors` lists them)."""
    try:
        sys.exit(interpbench.main(arguments, prog_name="interpbench", standalone_mode=False) or 0)
    except BrokenPipeError:  # whoever read our output has gone, as in `interpbench methods | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (Exception, KeyboardInterrupt) as error:
        line, code = line_and_code(error)
        if line is None:
            traceback.print_exception(error)  # a bug keeps its traceback
        else:
            click.echo(line, err=True)
        sys.exit(code)


def line_and_code(error: BaseException) -> tuple[str | None, int]:
    """What the user reads (None where it is a bug, which shows its traceback), and the exit code."""
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__  # click turns these two into Abort: Ctrl-C, and EOFError
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f" See `{context.command_path} --help`." if context else ""
        return _line(error.format_message()) + hint, UsageError.exit_code
    if isinstance(error, InterpbenchError):
        return _line(str(error)), error.exit_code
    if isinstance(error, MemoryError):
        return "Error: out of memory.", ResourceError.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        code = ResourceError.exit_code if error.errno in _FULL else InputError.exit_code
        return _line(f"{error.filename}: {error.strerror}."), code
    return None, PluginError.exit_code


def _line(text: str) -> str:
    return f"Error: {' '.join(text.split())}"
