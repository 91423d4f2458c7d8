"""What the fault tests share: commands run in this process, and what lies in a folder."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

TIMED = {"manifest.json", "times.json"}  # these tell of when, and of how long


@pytest.fixture(scope="session")
def command() -> Callable[..., tuple[int, str, str]]:
    """As the fixture `run`, for fixtures that live longer than a test."""
    from interpbench.cli import main

    def command(*words: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, out.getvalue(), err.getvalue()

    return command


@pytest.fixture(scope="session")
def contents() -> Callable[..., dict[str, bytes]]:
    """The files of a folder and their bytes, but for those that tell of when and of how long."""

    def contents(folder: Path, pattern: str = "**/*") -> dict[str, bytes]:
        files = (path for path in folder.glob(pattern) if path.is_file() and path.name not in TIMED)
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return contents
