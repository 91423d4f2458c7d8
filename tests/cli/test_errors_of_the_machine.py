"""Errors of the machine are one line and an exit code too."""

from __future__ import annotations

import errno

import click
import pytest

from interpbench.cli import line_and_code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), ("Error: out of memory.", 6)),
        (OSError(errno.ENOSPC, "No space left on device", "maps"), ("Error: maps: No space left on device.", 6)),
        (PermissionError(errno.EACCES, "Permission denied", "maps"), ("Error: maps: Permission denied.", 3)),
        (
            OSError("of no file"),
            ("Error: this is a bug: OSError: of no file. Use -vv to show the traceback.", 5),
        ),
        (click.Abort(), ("Interrupted.", 130)),
    ],
)
def test_errors_of_the_machine_are_one_line_too(error, expected):
    assert line_and_code(error) == expected
