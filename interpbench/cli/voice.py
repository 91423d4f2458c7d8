"""How much a command says: -v, --quiet, and what follows from them for logging and progress bars."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

QUIET = "interpbench.quiet"  # in `Context.meta`


@contextmanager
def voice(verbose: int, quiet: bool) -> Iterator[None]:
    """Log to stderr and show progress bars, as asked for, while a command runs."""
    from interpbench.progress import progress_bars

    click.get_current_context().meta[QUIET] = quiet
    logger = logging.getLogger("interpbench")
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    handler = _BesideBars()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    before, shown = logger.level, warnings.showwarning
    logger.setLevel(level)
    logger.addHandler(handler)
    warnings.showwarning = _logged
    try:
        with progress_bars(False if quiet else None):
            yield
    except Exception:
        logger.debug("the error's traceback:", exc_info=True)
        raise
    finally:
        warnings.showwarning = shown
        logger.removeHandler(handler)
        logger.setLevel(before)


def say(text: str) -> None:
    """Tell the user something that is not the asked-for result; silent with --quiet."""
    if not click.get_current_context().meta.get(QUIET, False):
        tell(text)


def tell(text: str) -> None:
    """Write text that may hold anything, such as names of files and cells of tables, to standard output."""
    click.echo(printable(text, sys.stdout))


def printable(text: str, stream: object = None) -> str:
    """The text as a terminal may have it: what would steer it, or what it cannot show, is written as its number.

    Args:
        stream: where it goes; what its encoding does not have is written as its number, too.
    """
    shown = "".join(one if one.isprintable() or one in "\n\t" else _number(one) for one in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _logged(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Log a warning of a library's code, which a user can do nothing about, with -v, and without lines of source."""
    logging.getLogger("interpbench").info("%s: %s", category.__name__, " ".join(str(message).split()))


def _number(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


class _BesideBars(logging.Handler):
    """Writes to stderr without tearing a progress bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(printable(self.format(record), sys.stderr), file=sys.stderr)
