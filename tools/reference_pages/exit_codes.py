"""Every exit code of the command line, with the errors that end in it."""

from __future__ import annotations

import inspect
import signal

from interpbench import errors
from interpbench.cli.signals import Stopped
from reference_pages.markdown import code, paragraphs, table

INTRODUCTION = """\
# Exit codes

An error is one line on stderr, and one of these codes; `-vv` shows where it comes from. In Python each is an exception,
a child of `interpbench.InterpbenchError`, in `interpbench.errors`. [More about them](../command-line.md#exit-codes)."""


def exit_codes_page() -> str:
    """One row an error."""
    rows = [("0", "", "Done.")]
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.InterpbenchError)]
    kinds.remove(errors.InterpbenchError)
    kinds.sort(key=lambda one: (one.exit_code, inspect.getsourcelines(one)[1]))
    rows += [(str(one.exit_code), code(one.__name__), _first_line(one)) for one in kinds]
    rows.append((str(errors.InterpbenchError.exit_code), "any other", "A bug, in interpbench or in a plugin."))
    for number in (signal.SIGINT, signal.SIGTERM):
        told = f"Interrupted by {number.name}; a second one ends it at once."
        rows.append((str(Stopped(number).exit_code), "", told))
    return paragraphs(INTRODUCTION, table(("code", "exception", "meaning"), rows))


def _first_line(error: type[errors.InterpbenchError]) -> str:
    return inspect.cleandoc(error.__doc__ or "").splitlines()[0]
