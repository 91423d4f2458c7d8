"""Ctrl-C and SIGTERM end a run in order; killed, it goes on from where it was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench import train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

TRAINING = [
    "--shape",
    "10x12x8",
    "-o",
    "width=2",
    "-o",
    "first_stride=2",
    "--epochs",
    "40",
    "--learning-rate",
    "1e-3",
    "--device",
    "cpu",
]
FITTING = [
    "--method",
    "unoise",
    "--device",
    "cpu",
    "-o",
    "channels=2",
    "-o",
    "blocks=2",
    "-o",
    "pretrain_epochs=2",
    "-o",
    "epochs=6",
    "-o",
    "patience=0",
]
TIMED = {"times.json", "manifest.json", "inputs.tsv"}  # these tell of seconds, of when or from where


def start(*words: object, told: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "interpbench", *map(str, words)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=told,
        text=True,
        # Who runs tests in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no thread runs yet
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.glob("**/*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_in_one_line_without_stumps(
    number: signal.Signals, code: int, toy_cohort: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    process = start("train", toy_cohort, "--out", out, *TRAINING, "--epochs", 4000, told=subprocess.PIPE)
    wait_for((out / "checkpoints" / "training.pt").is_file, process)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.strip().splitlines()[-1] == (
        f"Error: Interrupted ({number.name}). Finished work is kept: run the same command again to continue."
    ).removeprefix("Error: ")
    assert "Traceback" not in told
    assert not (out / "model.json").exists()
    assert not list(out.glob("**/.*tmp*"))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "fit", "explain"])
def test_killed_at_any_moment_and_started_again_it_ends_with_the_same_bytes(
    command: str, toy_cohort: Path, toy_model: Path, tmp_path: Path
) -> None:
    words = {
        "train": ["train", toy_cohort, *TRAINING],
        "fit": ["fit", toy_cohort, "--predictor", toy_model, *FITTING],
        "explain": [
            "explain",
            toy_cohort,
            "--predictor",
            toy_model,
            "--split",
            "all",
            "--method",
            "smoothgrad",
            "--device",
            "cpu",
        ],
    }[command]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = start(*words, "--out", whole)
    assert process.wait(timeout=300) == 0
    draw, kills = random.Random(command), 0
    marks = {"train": "checkpoints/training.pt", "fit": "checkpoints/*.pt", "explain": "sub-*/*_importance.json"}
    for _ in range(4):
        process = start(*words, "--out", cut)
        before = {path: path.stat().st_mtime_ns for path in cut.glob(marks[command])}
        wait_for(
            lambda known=before: any(
                path.stat().st_mtime_ns != known.get(path) for path in cut.glob(marks[command]) if path.exists()
            ),
            process,
        )
        time.sleep(draw.uniform(0, 0.2))
        process.kill()
        kills += process.wait(timeout=60) != 0
        assert not [path for path in cut.glob("**/*.nii.gz") if not path.name.startswith(".") and _is_cut(path)]
    process = start(*words, "--out", cut)
    assert process.wait(timeout=300) == 0
    assert kills
    assert contents(cut) == contents(whole)


def _is_cut(path: Path) -> bool:
    import gzip

    try:
        gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile):
        return True
    return False


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(toy_cohort: Path, tmp_path: Path) -> None:
    settings = {
        "options": {"width": 2, "first_stride": 2},
        "recipe": {"shape": (10, 12, 8)},
        "epochs": 1,
        "device": "cpu",
    }
    train(toy_cohort, tmp_path / "first", **settings, seed=0)
    train(toy_cohort, tmp_path / "second", **settings, seed=1)
    shutil.copytree(tmp_path / "first", tmp_path / "mixed")
    for name in ("model.json", "model.safetensors", "SHA256SUMS"):
        (tmp_path / "mixed" / name).unlink()
    (tmp_path / "mixed" / "checkpoints").mkdir()
    (tmp_path / "mixed" / "checkpoints" / "training.pt").write_bytes(b"of the first")
    train(toy_cohort, tmp_path / "mixed", **settings, seed=1)
    assert contents(tmp_path / "mixed") == contents(tmp_path / "second")
