"""What may happen to a run: a full disk, changed inputs, others at work, little memory, another order."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from interpbench.files.atomic import TEMPORARY, sha256_of

Run = Callable[..., tuple[int, str, str]]
LABELS = [f"{number:02d}" for number in range(4)]
PICKED = [word for label in LABELS for word in ("--participant-label", label)]


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


FULL = {
    "train": (
        "model.safetensors",
        [
            "train",
            "COHORT",
            "--shape",
            "10x12x8",
            "-o",
            "width=2",
            "-o",
            "first_stride=2",
            "--epochs",
            "1",
            "--device",
            "cpu",
        ],
    ),
    "fit": (
        "state.safetensors",
        [
            "fit",
            "COHORT",
            "--predictor",
            "MODEL",
            "--method",
            "unoise",
            "--device",
            "cpu",
            "-o",
            "channels=2",
            "-o",
            "blocks=2",
            "-o",
            "pretrain_epochs=1",
            "-o",
            "epochs=1",
        ],
    ),
    "explain": (
        "sub-02/sub-02_desc-noisy_importance.nii.gz",
        ["explain", "COHORT", "--predictor", "MODEL", "--method", "noisy", "--device", "cpu", *PICKED],
    ),
    "aggregate": ("population_mean.nii.gz", ["aggregate", "MAPS"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", FULL)
def test_a_disk_that_is_full(
    command: str, explained: Run, run: Run, cohort: Path, model: Path, tmp_path: Path, contents: Any
) -> None:
    product, words = FULL[command]
    if command == "aggregate":
        assert explained("maps")[0] == 0
    places = {"COHORT": cohort, "MODEL": model, "MAPS": tmp_path / "maps"}
    words = [places.get(word, word) for word in words]
    assert run(*words, "--out", tmp_path / "whole")[0] == 0
    cut = tmp_path / "cut"
    with files_up_to((tmp_path / "whole" / product).stat().st_size - 1):
        code, _, told = run(*words, "--out", cut)
    assert code == 6
    assert told.strip().splitlines()[-1].startswith("Error: ") and "Traceback" not in told
    assert not (cut / product).exists()
    assert not [path for path in cut.glob("**/*") if TEMPORARY.fullmatch(path.name)]
    assert run(*words, "--out", cut)[0] == 0
    assert contents(cut) == contents(tmp_path / "whole")


def another_option(cohort: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return ["-o", "gain=2"]


def another_seed(cohort: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return ["--seed", "1"]


def another_model(cohort: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    weights = model / "model.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(weights).items()}, weights)
    record = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**record, "sha256": sha256_of(weights)}))
    return []


def another_version(cohort: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("interpbench.files.software.__version__", "99.0")
    return []


CHANGES = {"option": another_option, "seed": another_seed, "model": another_model, "version": another_version}


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_a_run_that_goes_on_after_a_change_of(
    what: str,
    explained: Run,
    cohort: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    maps: Any,
) -> None:
    assert explained("maps")[0] == 0
    before = maps(tmp_path / "maps")
    words = CHANGES[what](cohort, model, monkeypatch)
    assert explained("maps", *words)[0] == 0
    (said,) = [record.message for record in caplog.records if "computed again" in record.message]
    assert what.removesuffix("s") in said or what in ("version", "model")
    assert explained("fresh", *words)[0] == 0
    after = maps(tmp_path / "maps")
    assert after == maps(tmp_path / "fresh")
    changed = sum(after[name] != before[name] for name in before)
    assert changed == (0 if what == "version" else len(LABELS))


def test_a_run_that_goes_on_after_a_change_of_one_image(explained: Run, cohort: Path, tmp_path: Path) -> None:
    assert explained("maps")[0] == 0
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "maps").glob("sub-*/*.nii.gz")}
    image = nibabel.load(cohort / "02.nii.gz")
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, image.affine), cohort / "02.nii.gz")
    assert explained("maps")[0] == 0
    anew = {path.parent.name for path, when in written.items() if path.stat().st_mtime_ns != when}
    assert anew == {"sub-02"}


@contextlib.contextmanager
def somebody_at_work_in(folder: Path) -> Iterator[int]:
    """Another process that holds a folder as a run does; its number."""
    program = (
        "import os, sys, fcntl\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)\n"
        "print('there', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process.pid
        process.communicate("")


@pytest.mark.parametrize(("words", "expected"), [((), 0), (("-o", "gain=2"), 7)], ids=["the same run", "another run"])
def test_two_runs_into_one_output(
    words: tuple[str, ...], expected: int, explained: Run, tmp_path: Path, run: Run, contents: Any
) -> None:
    assert explained("maps")[0] == 0
    before = contents(tmp_path / "maps")
    with somebody_at_work_in(tmp_path / "maps"):
        code, _, told = explained("maps", *words)
    assert code == expected
    if expected:
        assert told.count("\n") == 1
        assert "options.gain" in told and "That run is still active, started by process" in told
    assert contents(tmp_path / "maps") == before


@pytest.mark.parametrize("kind", ["a file", "somebody's folder", "another kind of run", "another method's"])
def test_an_output_that_belongs_to(kind: str, explained: Run, run: Run, tmp_path: Path, contents: Any) -> None:
    out = tmp_path / "out"
    if kind == "a file":
        out.write_text("mine")
    elif kind == "somebody's folder":
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
    elif kind == "another kind of run":
        assert explained("maps")[0] == 0
        assert run("aggregate", tmp_path / "maps", "--out", out)[0] == 0
    else:
        assert explained("out", method="greedy")[0] == 0
    before = out.read_bytes() if out.is_file() else contents(out)
    code, _, told = explained("out")
    assert code == 7
    assert told.count("\n") == 1 and str(out) in told
    assert before == (out.read_bytes() if out.is_file() else contents(out))
