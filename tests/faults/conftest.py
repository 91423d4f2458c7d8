"""What the fault tests share: commands run in this process, and pickles that run code."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


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


class Payload:
    """Unpickled by a careless reader, it calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture(scope="session")
def payloads() -> Callable[[Path], dict[str, Payload]]:
    """Three ways to leave a marker where one is unpickled."""
    return lambda marker: {
        "os.system": Payload(os.system, f"touch {marker}"),
        "a program": Payload(subprocess.call, ["touch", str(marker)]),
        "eval": Payload(builtins.eval, f"open({str(marker)!r}, 'w').close()"),
    }


@pytest.fixture
def explained(
    run: Callable[..., tuple[int, str, str]], toy_cohort: Path, toy_model: Path, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Explain three subjects by a method."""

    def explain(method: str, *words: object) -> tuple[int, str, str]:
        picked = [word for label in ("00", "01", "02") for word in ("--participant-label", label)]
        given = ["--predictor", toy_model, "--method", method, "--device", "cpu", "--out", tmp_path / f"maps-{method}"]
        return run("explain", toy_cohort, *given, *picked, *words)

    return explain
