"""Methods that tell how they were asked, and runs of them that read ahead and write behind."""

from __future__ import annotations

import csv
import os
import random
import shutil
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from interpbench import Explainer, explain, option

PEOPLE = [f"{number:02d}" for number in range(12)]


class Brightness(Explainer):
    """|x|, and the thread in which it was asked."""

    threads: ClassVar[list[threading.Thread]] = []

    def explain(self, predictor, volumes):
        self.threads.append(threading.current_thread())
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Seeded(Explainer):
    """Draws from a seed of its own and from the global random state."""

    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        drawn = torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))
        time.sleep(0.005)  # time for others to draw, if they do
        return drawn + torch.rand(volumes[:, 0].shape) + float(np.random.rand()) + random.random()

    def explain_with_extras(self, predictor, volumes):
        map = self.explain(predictor, volumes)
        return map, {"negative": -map}


class Reuses(Explainer):
    """Gives the same tensor each time, with other content."""

    kept: ClassVar[dict[torch.Size, torch.Tensor]] = {}

    def explain(self, predictor, volumes):
        map = self.kept.setdefault(volumes[:, 0].shape, torch.empty_like(volumes[:, 0]))
        return map.copy_(volumes[:, 0].abs())


class Moody(Explainer):
    """Fails on some subjects, and on every batch."""

    def explain(self, predictor, volumes):
        if float(volumes[0, 0, 5, 5, 5]) > 0 or len(volumes) > 1:
            raise KeyError("layer9")
        return volumes[:, 0].clone()


class Interrupted(Explainer):
    """Ctrl-C is pressed while it explains the third subject."""

    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(1)
        if len(self.calls) == 3:
            raise KeyboardInterrupt
        return volumes[:, 0].abs()


class Wanders(Explainer):
    """Works in another folder, and comes back."""

    def explain(self, predictor, volumes):
        here = Path.cwd()
        try:
            os.chdir("/")
            time.sleep(0.02)
            return volumes[:, 0].abs()
        finally:
            os.chdir(here)


METHODS = {
    "brightness": Brightness,
    "seeded": Seeded,
    "reuses": Reuses,
    "moody": Moody,
    "interrupted": Interrupted,
    "wanders": Wanders,
}


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    for name, method in METHODS.items():
        toy_plugin.offer("explainer", name, method)
    for calls in (Brightness.threads, Interrupted.calls):
        calls.clear()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    def explained(method: str, out: str = "maps", cohort: Path = toy_cohort, **settings) -> list[Path]:
        settings = {"participants": PEOPLE, "device": "cpu", **settings}
        return explain(cohort, toy_model, tmp_path / out, method=method, **settings)

    return explained


@pytest.fixture
def own_cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_cohort, tmp_path / "cohort"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("sub-*/*"))}


def failures(folder: Path) -> list[dict[str, str]]:
    with (folder / "failures.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="session")
def brightness() -> type[Brightness]:
    return Brightness


@pytest.fixture(name="contents", scope="session")
def give_contents() -> Callable[..., Any]:
    return contents


@pytest.fixture(name="failures", scope="session")
def give_failures() -> Callable[..., Any]:
    return failures
