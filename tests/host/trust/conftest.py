"""A model folder that somebody else sends, and commands that are given it."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from interpbench import adopt

Run = Callable[..., tuple[int, str, str]]
SOURCE = """
    from pathlib import Path
    from torch import nn

    Path(r"{imported}").touch()

    class Own(nn.Module):
        def __init__(self, width=2):
            super().__init__()
            Path(r"{called}").touch()
            self.first = nn.Conv3d(1, width, 3)
            self.last = nn.Linear(width, 1)

        def forward(self, x):
            return self.last(self.first(x).relu().mean((2, 3, 4)))

        @classmethod
        def made(cls, width=2):
            return cls(width)

    def make(width=2):
        return Own(width)
"""
COMMANDS = {
    "check": [],
    "predict": ["--out", "OUT"],
    "explain": ["--method", "saliency", "--out", "OUT"],
    "fit": ["--method", "unoise", "--out", "OUT"],
    "search": ["--method", "unoise", "--grid", "v_max=1,2", "--out", "OUT"],
    "benchmark": ["--methods", "saliency", "--out", "OUT"],
}


@dataclass(frozen=True)
class Somebody:
    """A model folder that somebody else sends, and whether any code of theirs has run here."""

    folder: Path
    home: Path

    def markers(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("marker-*"))

    def asks(self, factory: str, arguments: str = "{}") -> None:
        record = json.loads((self.folder / "model.json").read_text())
        record["options"] |= {"factory": factory, "arguments": arguments.replace("MARKER", f"'{self.home}/marker-x'")}
        (self.folder / "model.json").write_text(json.dumps(record, indent=1))

    def forget(self) -> None:
        for path in self.home.glob("marker-*"):
            path.unlink()
        for name in [name for name in sys.modules if name.startswith("somebodys_")]:
            del sys.modules[name]


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_model: Path) -> Iterator[Somebody]:
    """Their network is importable here, as installed code may be; their model folder was never adopted."""
    source = textwrap.dedent(SOURCE).format(imported=tmp_path / "marker-imported", called=tmp_path / "marker-called")
    (tmp_path / "code" / "somebodys_package").mkdir(parents=True)
    (tmp_path / "code" / "somebodys_network.py").write_text(source)
    (tmp_path / "code" / "somebodys_package" / "__init__.py").write_text(source)
    (tmp_path / "code" / "somebodys_package" / "inner.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(tmp_path / "elsewhere"))
    torch.manual_seed(0)
    save_file(__import__("somebodys_network").Own().state_dict(), tmp_path / "w.safetensors")
    recipe = json.loads((toy_model / "model.json").read_text())["recipe"]
    adopt("somebodys_network:make", tmp_path / "w.safetensors", tmp_path / "model", recipe=recipe)
    sent = Somebody(tmp_path / "model", tmp_path)
    sent.forget()
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(tmp_path / "config"))
    yield sent
    sent.forget()


@pytest.fixture
def given(run: Run, toy_cohort: Path, somebody: Somebody) -> Run:
    """`given("predict")` runs that command with the model folder that was sent."""

    def given(command: str, *words: object) -> tuple[int, str, str]:
        rest = [str(somebody.home / "out.tsv") if word == "OUT" else word for word in COMMANDS[command]]
        device = [] if command == "check" else ["--device", "cpu"]
        return run(command, toy_cohort, "--predictor", somebody.folder, *rest, *device, *words)

    return given


@pytest.fixture
def refused(somebody: Somebody) -> Callable[[tuple[int, str, str], str], None]:
    """`refused(came, factory)`: what came is one line that names the factory, and nothing of it has run."""

    def refused(came: tuple[int, str, str], factory: str) -> None:
        code, _, told = came
        assert (code, told.count("\n")) == (3, 1), told
        assert told.startswith(f"Error: {somebody.folder / 'model.json'} would import `{factory}`"), told
        assert f"`interpbench trust {somebody.folder}`" in told and f"--trust-factory {factory}" in told
        assert somebody.markers() == [] and not (somebody.home / "out.tsv").exists()

    return refused
