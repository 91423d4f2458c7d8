"""The messages of a command: -v, --quiet, logging and progress bars."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

QUIET = "interpbench.quiet"  # in `Context.meta`


@contextmanager
def messages(verbose: int, quiet: bool) -> Iterator[None]:
    """Log to stderr and show progress bars while a command runs, as -v and --quiet ask."""
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
    """Print a message that is not the result itself; nothing with --quiet."""
    if not click.get_current_context().meta.get(QUIET, False):
        print_text(text)


def print_text(text: str) -> None:
    """Print text from anywhere, such as file names and table cells, to standard output with control codes escaped."""
    click.echo(printable(text, sys.stdout))


def printable(text: str, stream: object = None) -> str:
    """The text with control characters, and characters that the stream cannot encode, escaped.

    Args:
        stream: the output stream, whose encoding decides which characters are escaped.
    """
    shown = "".join(one if one.isprintable() or one in "\n\t" else _number(one) for one in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _logged(
    message: Warning | str,
    category: type[Warning],
    *_place: object,
    **_more: object,
) -> None:
    """Log a library's warning at level INFO, without source lines: a user cannot act on it."""
    logging.getLogger("interpbench").info("%s: %s", category.__name__, " ".join(str(message).split()))


def _number(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


class _BesideBars(logging.Handler):
    """Writes to stderr without breaking a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(printable(self.format(record), sys.stderr), file=sys.stderr)
