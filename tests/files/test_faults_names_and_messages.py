"""Names, tables and messages of odd bytes: refused in one line, or told so that they steer no terminal."""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench.cli import line_and_code
from interpbench.cli.messages import printable
from interpbench.errors import InputError
from interpbench.files.atomic import read_json, write_json
from interpbench.files.records import is_path, read_record
from interpbench.files.run_folder import read_sums

Run = Callable[..., tuple[int, str, str]]
PART = ["--participant-label", "00", "--participant-label", "01"]


def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_json(tmp_path / "pipe")


def test_a_name_of_other_bytes_comes_back_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.nii.gz")
    write_json(tmp_path / "record.json", {"image": name})
    assert read_record(tmp_path / "record.json", {"image": Path}, "record") == {"image": name}


def test_what_no_file_can_be_called_is_no_path() -> None:
    assert is_path("a/b") and is_path("/" + "x" * 255)
    assert not any(map(is_path, ["", "a\0b", "x" * 256, "x/" * 2048, "\ud800"]))


@pytest.mark.parametrize("content", ["ab  a\0b\n", "ab  \n", f"ab  {'x' * 5000}\n"])
def test_sums_that_name_no_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text(content)
    with pytest.raises(InputError, match="not a valid file name"):
        read_sums(tmp_path / "SHA256SUMS")


HEAD = "participant_id\tage\tsplit\n"


@pytest.mark.parametrize(
    "table", [f"{HEAD}sub-00\tx\ttrain\n", f"{HEAD}\t5\tx\n", f"{HEAD}sub-00\t1e999\ttest\n", "a\tb\nc\td\n", "\0", '"']
)
def test_a_table_of_splits_that_is_none(
    table: str, toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(toy_model, tmp_path / "model"))
    (model / "split.tsv").write_text(table)
    words = ["--predictor", model, "--device", "cpu", "--out", tmp_path / "new.tsv", *PART]
    code, _, told = run("predict", toy_cohort, *words)
    assert code == 3 and told.count("\n") == 1 and "split.tsv" in told, told


@pytest.mark.parametrize("text", ["\x1b[2J", "\ud800", "\udcff", "\u202egpj", "\r\n\0", "é"])  # noqa: PT014  two halves
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_no_message_fails_to_be_told_or_steers_the_terminal(
    text: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr("sys.stderr", stream)
    for error in (InputError(text), ValueError(text), OSError(2, "gone", text)):
        line, _ = line_and_code(error)
        stream.write(line)
        assert line.isprintable() and line.startswith("Error: ")
    assert printable(f"{text}\n", stream).count("\n") == 1 + text.count("\n")


def test_what_is_logged_steers_no_terminal(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="interpbench")
    (tmp_path / "participants.tsv").write_text("participant_id\timage\nsub-1\ta\x1b[2Jb.nii.gz\nsub-\x1b[2J\tx\n")
    for words in (["check", tmp_path], ["train", tmp_path, "--out", tmp_path.parent / "o"]):
        code, out, told = run(*words)
        assert code == 3 and "\x1b" not in out + told
