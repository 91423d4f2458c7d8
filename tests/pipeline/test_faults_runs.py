"""What may happen to a run: a full disk, changed inputs, others at work, little memory, another order."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from interpbench import Explainer, option
from interpbench.files.atomic import TEMPORARY, sha256_of

Run = Callable[..., tuple[int, str, str]]

LABELS = [f"{number:02d}" for number in range(4)]
PICKED = [word for label in LABELS for word in ("--participant-label", label)]
TIMED = {"manifest.json", "inputs.tsv", "times.json"}  # these tell of when, from where, and of how long


@dataclass(frozen=True, kw_only=True)
class Noisy(Explainer):
    """A map that depends on an option, on the subject's seed and on the network."""

    gain: float = option(1.0, "factor")
    seed: int = option(0, "of the noise", minimum=0)

    def explain(self, predictor, volumes):
        noise = torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))
        with torch.no_grad():
            return self.gain * noise * predictor.predict(volumes)[:, None, None, None].abs()


@dataclass(frozen=True, kw_only=True)
class Greedy(Explainer):
    """A method that has room for so many subjects at once."""

    room: int = option(2, "subjects")

    def explain(self, predictor, volumes):
        if volumes.shape[0] > self.room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:130] DefaultCPUAllocator: can't allocate memory")
        return volumes[:, 0].abs()


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("explainer", "noisy", Noisy)
    toy_plugin.offer("explainer", "greedy", Greedy)


@pytest.fixture
def cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_cohort, tmp_path / "cohort"))


@pytest.fixture
def model(toy_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_model, tmp_path / "network"))


@pytest.fixture
def explained(run: Run, cohort: Path, model: Path, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Explain four subjects into a folder of that name."""

    def explain(out: str, *words: object, method: str = "noisy") -> tuple[int, str, str]:
        given = ["--predictor", model, "--method", method, "--device", "cpu", "--out", tmp_path / out]
        return run("explain", cohort, *given, *PICKED, *words)

    return explain


def contents(folder: Path, pattern: str = "**/*") -> dict[str, bytes]:
    files = (path for path in folder.glob(pattern) if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def maps(folder: Path) -> dict[str, bytes]:
    found = contents(folder, "sub-*/*_importance.nii.gz")
    assert len(found) == len(LABELS)
    return {Path(name).parent.name: content for name, content in found.items()}


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
def test_a_disk_that_is_full(command: str, explained: Run, run: Run, cohort: Path, model: Path, tmp_path: Path) -> None:
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
    words: tuple[str, ...], expected: int, explained: Run, tmp_path: Path, run: Run
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
def test_an_output_that_belongs_to(kind: str, explained: Run, run: Run, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(("room", "batch"), [(2, 4), (1, 4), (1, 3), (3, 4)])
def test_too_little_memory_for_a_batch(room: int, batch: int, explained: Run, tmp_path: Path) -> None:
    assert explained("alone", "-o", "room=4", method="greedy")[0] == 0
    assert explained("maps", "-o", f"room={room}", "--batch-size", batch, method="greedy")[0] == 0
    assert maps(tmp_path / "maps") == maps(tmp_path / "alone")
    sidecars = [json.loads(path.read_text()) for path in (tmp_path / "maps").glob("sub-*/*_importance.json")]
    told = [any("out of memory" in warning for warning in sidecar["warnings"]) for sidecar in sidecars]
    assert told == [True] * len(LABELS) if batch == 4 else any(told)


def test_too_little_memory_for_one_subject(explained: Run, tmp_path: Path) -> None:
    code, _, told = explained("maps", "-o", "room=0", "--batch-size", 4, method="greedy")
    assert code == 6
    assert "memory" in told.splitlines()[-1] and "Traceback" not in told
    assert not contents(tmp_path / "maps", "**/*.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["as it is", "turned round", "shuffled"])
def test_the_same_bytes_in_another_order_and_batch(
    order: str, batch: int, explained: Run, cohort: Path, tmp_path: Path
) -> None:
    assert explained("maps")[0] == 0
    table = cohort / "participants.tsv"
    header, *rows = table.read_text().splitlines()
    if order == "turned round":
        rows.reverse()
    elif order == "shuffled":
        random.Random(0).shuffle(rows)
    table.write_text("\n".join([header, *rows]) + "\n")
    assert explained("again", "--batch-size", batch)[0] == 0
    assert maps(tmp_path / "again") == maps(tmp_path / "maps")


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_the_same_population_from_shards(number: int, explained: Run, run: Run, tmp_path: Path) -> None:
    for name, shards in (("whole", [None]), ("shards", random.Random(number).sample(range(number), number))):
        for shard in shards:
            words = [] if shard is None else ["--shard", f"{shard}/{number}"]
            assert explained(name, *words)[0] == 0
        assert run("aggregate", tmp_path / name, "--out", tmp_path / f"{name}-population")[0] == 0
    first, second = (tmp_path / f"{name}-population" for name in ("whole", "shards"))
    assert contents(first, "*.nii.gz") == contents(second, "*.nii.gz")
    assert contents(first, "*.nii.gz")
