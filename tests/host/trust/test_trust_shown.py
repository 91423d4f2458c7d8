"""`interpbench trust` shows all, imports nothing and takes a plain yes; no file can say it in the user's place."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpbench import load_predictor
from interpbench.pipeline.trusting import origin_of

Run = Callable[..., tuple[int, str, str]]
Refused = Callable[[tuple[int, str, str], str], None]


def test_trust_shows_what_a_record_asks_for_and_does_nothing_without_a_terminal(
    run: Run, somebody: Any, given: Run, refused: Refused
) -> None:
    somebody.asks("somebodys_package.inner:make", '{"width": 2}')
    code, shown, told = run("trust", somebody.folder)
    assert (code, told.count("\n")) == (2, 1) and "give --yes" in told
    assert "'somebodys_package.inner:make'" in shown and "arguments: '{\"width\": 2}'" in shown
    assert str(somebody.home / "code" / "somebodys_package") in shown
    assert "as recorded" in shown
    assert somebody.markers() == []
    refused(given("predict"), "somebodys_package.inner:make")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 130)])
def test_trust_is_given_by_a_plain_yes_only(
    answer: str, code: int, run: Run, somebody: Any, given: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    ended, shown, _ = run("trust", somebody.folder)
    assert ended == code and "'somebodys_network:make'" in shown
    assert given("predict")[0] == (0 if code == 0 else 3)


def test_what_a_record_names_is_shown_without_what_a_terminal_would_obey(run: Run, somebody: Any) -> None:
    somebody.asks("os:system\x1b[2K\u202e", '{"a": "\x1b[1A"}'.replace("\x1b", "\\u001b"))
    _, shown, told = run("trust", somebody.folder)
    assert shown.isascii() and "\x1b" not in shown + told
    _, _, told = run("check", somebody.home, "--predictor", somebody.folder)
    assert "\x1b" not in told and "\u202e" not in told and told.count("\n") == 1


def test_a_model_trained_here_needs_no_trust(toy_model: Path, run: Run, tmp_path: Path) -> None:
    code, told, _ = run("trust", toy_model)
    assert code == 0 and "names no code, so" in told
    load_predictor(shutil.copytree(toy_model, tmp_path / "copy"))


def test_a_folder_without_a_record_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, told = run("trust", tmp_path)
    assert (code, told.count("\n")) == (3, 1) and "there is nothing to allow" in told


ODD = ["", ":", ".", ".x:y", "a\0b:c", "__main__:x", "\udc80:x", "x" * 5000 + ":y", "no.such:z"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_where_a_module_is_from_is_told_of_any_name(name: str) -> None:
    assert isinstance(origin_of(name), str)


@pytest.mark.parametrize("key", ["trust-factory", "trust_factory"])
@pytest.mark.parametrize("section", ["", "[predict]\n", "[explain]\n"])
def test_a_configuration_file_cannot_allow_code(key: str, section: str, given: Run, somebody: Any) -> None:
    config = somebody.home / "run.toml"
    config.write_text(f'{section}{key} = ["somebodys_network:make"]\n')
    code, _, told = given("predict", "--config", config)
    assert (code, told.count("\n")) == (2, 1) and "must be given on the command line" in told
    assert somebody.markers() == []


def test_a_configuration_file_cannot_say_yes(run: Run, somebody: Any) -> None:
    config = somebody.home / "run.toml"
    config.write_text("[trust]\nyes = true\n")
    code, _, told = run("trust", somebody.folder, "--config", config)
    assert code == 2 and "must be given on the command line" in told and not (somebody.home / "config").exists()


def test_a_configuration_file_cannot_name_code(run: Run, toy_cohort: Path, somebody: Any) -> None:
    config = somebody.home / "run.toml"
    config.write_text('[train]\npredictor = "torch"\n[train.options]\nfactory = "somebodys_network:make"\n')
    code, _, told = run("train", toy_cohort, "--out", somebody.home / "trained", "--config", config)
    assert (code, told.count("\n")) == (
        2,
        1,
    ) and "names code to run, which is not allowed in a configuration file" in told
    assert somebody.markers() == []
