"""A cohort and a model that a test may change, explained, and what came of it."""

from __future__ import annotations

import shutil
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench import Explainer, option

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


@pytest.fixture(name="contents", scope="session")
def give_contents() -> Callable[..., Any]:
    return contents


@pytest.fixture(name="maps", scope="session")
def give_maps() -> Callable[..., Any]:
    return maps
