"""Data names nothing that runs, unless the user has allowed it by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpbench import load_predictor, predict
from interpbench.errors import InputError

Run = Callable[..., tuple[int, str, str]]
Refused = Callable[[tuple[int, str, str], str], None]
COMMANDS = ("check", "predict", "explain", "fit", "search", "benchmark")
FACTORIES = {
    "a function": ("somebodys_network:make", "{}"),
    "a class": ("somebodys_network:Own", "{}"),
    "a nested attribute": ("somebodys_network:Own.made", "{}"),
    "a module of a package": ("somebodys_package.inner:make", "{}"),
    "a module that is not there": ("no_such_module_anywhere:make", "{}"),
    "a program": ("os:system", '{"command": "touch MARKER"}'),
    "a builtin": ("builtins:exec", '{"source": "open(MARKER)"}'),
    "no factory's form": ("somebodys_network", "{}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", FACTORIES)
def test_no_command_imports_or_calls_what_a_record_names(
    command: str, what: str, given: Run, refused: Refused, somebody: Any
) -> None:
    somebody.asks(*FACTORIES[what])
    refused(given(command), FACTORIES[what][0])
    refused(given(command, "--trust-factory", "somebodys_network:other"), FACTORIES[what][0])


@pytest.mark.parametrize("how", ["by trust", "by name"])
@pytest.mark.parametrize("command", ["check", "predict", "explain"])
def test_what_the_user_allows_runs(command: str, how: str, given: Run, run: Run, somebody: Any) -> None:
    words = ["--trust-factory", "somebodys_network:make"] if how == "by name" else []
    if how == "by trust":
        code, told, _ = run("trust", somebody.folder, "--yes")
        assert code == 0 and "somebodys_network:make" in told
        assert somebody.markers() == []
    code, _, told = given(command, *words)
    assert code == 0, told
    assert somebody.markers() == ["marker-called", "marker-imported"]


CHANGES: dict[str, Callable[[str], str]] = {
    "an argument": lambda text: text.replace('"arguments": "{}"', '"arguments": "{\\"width\\": 2}"'),
    "another option": lambda text: text.replace('"column": null', '"column": 1'),
    "the factory": lambda text: text.replace("somebodys_network:make", "somebodys_network:Own"),
    "the weights": lambda text: text.replace('"sha256": "', '"sha256": "0'),
    "a blank at the end": lambda text: text + " ",
    "a blank inside": lambda text: text.replace('": ', '":  ', 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_of_a_record_it_is_asked_about_again(change: str, given: Run, run: Run, somebody: Any) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    record = somebody.folder / "model.json"
    before = record.read_text()
    record.write_text(CHANGES[change](before))
    assert record.read_text() != before
    code, _, told = given("predict")
    assert (code, told.count("\n")) == (3, 1) and "which you have not allowed" in told
    assert somebody.markers() == []


def test_a_copy_of_a_trusted_folder_is_trusted(run: Run, somebody: Any) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    load_predictor(shutil.copytree(somebody.folder, somebody.home / "copy"))


def test_who_adopts_trusts_and_python_may_allow_by_name(somebody: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="would import"):
        load_predictor(somebody.folder)
    load_predictor(somebody.folder, trust_factory="somebodys_network:make")
    load_predictor(somebody.folder, trust_factory=["a:b", "somebodys_network:make"])
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "elsewhere"))  # of who adopted it
    load_predictor(somebody.folder)
    kept = list((somebody.home / "elsewhere" / "trusted").iterdir())
    assert [oct(path.stat().st_mode & 0o777) for path in (kept[0].parent, *kept)] == ["0o700", "0o600"]


def test_a_network_of_ones_own_that_is_trained_here_is_trusted(toy_cohort: Path, somebody: Any, run: Run) -> None:
    trained = somebody.home / "trained"
    code, _, told = run(
        "train",
        toy_cohort,
        "--predictor",
        "torch",
        "-o",
        "factory=somebodys_network:make",
        "--epochs",
        "1",
        "--shape",
        "10x12x8",
        "--device",
        "cpu",
        "--out",
        trained,
    )
    assert code == 0, told
    predict(toy_cohort, trained, somebody.home / "p.tsv", device="cpu")
