"""A benchmark in several processes gives the tables of one, tells the same, and loses next to nothing when killed."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from interpbench import Explainer, Measure, Metric, Predictor, Recipe, benchmark, option
from interpbench.errors import NotApplicable
from interpbench.parallel.side_by_side import hindrance
from interpbench.testing import linear_predictor

forks = pytest.mark.skipif(bool(hindrance(torch.device("cpu"))), reason="no processes are forked here")


class Sheet:
    """Lines that any process adds to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *words: object) -> None:
        with self.path.open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    def lines(self) -> list[tuple[str, ...]]:
        text = self.path.read_text() if self.path.exists() else ""
        return [tuple(line.split()) for line in text.splitlines()]


class Line(Predictor):
    """60 + a weighted sum of the voxels."""

    def __init__(self) -> None:
        self.toy = linear_predictor(0.01 * torch.rand(10, 12, 8, generator=torch.Generator().manual_seed(0)))
        self.recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0, centre=(0.0, -4.0, 8.0))

    @property
    def module(self):
        return self.toy.module

    def predict(self, volumes):
        return self.toy.predict(volumes)


@dataclass(frozen=True, kw_only=True)
class Grain(Explainer):
    """The image, with noise of the subject's own seed."""

    made: ClassVar[Sheet]
    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        self.made.add(self.seed)
        noise = torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))
        return volumes[:, 0].abs() * noise


class Breaks(Explainer):
    """Fails on every other subject."""

    def explain(self, predictor, volumes):
        if int(1e4 * float(volumes.abs().sum())) % 2:
            raise KeyError("layer9")
        return volumes[:, 0].abs()


class Inapplicable(Explainer):
    def explain(self, predictor, volumes):
        raise NotApplicable("this network has no capsules")


@dataclass(frozen=True, kw_only=True)
class Frame(Explainer):
    """A floor that must wait for a template, and then does not apply."""

    floor: ClassVar[bool] = True
    template = "file"
    file: str = option("", "the template")

    def explain(self, predictor, volumes):
        raise NotApplicable("the template has no frame")


class Height(Metric):
    """The largest value and a curve; says nothing of copies. `act` may do more than measure."""

    measured: ClassVar[Sheet]
    act: ClassVar[Callable[[str], None]]
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(name="height", unit="{unit}", direction="higher", help="the largest value"),
        Measure(name="spread", unit="", direction=None, help="quantiles", steps=(25.0, 75.0), steps_name="share (%)"),
    )

    def measure(self, case):
        self.measured.add(case.subject, case.method, os.getpid())
        type(self).act(case.method)
        if case.copy_of:
            raise NotApplicable("a copy is  not\tas high")
        values = case.importance[case.brain].double()
        quarters = values.quantile(torch.tensor([0.25, 0.75]).double()).tolist()
        return {"height": float(values.max()) / 3, "spread": [quarters[0], float("nan")]}


class Again(Metric):
    """Explains again, under another seed."""

    repeats: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(name="again", unit="", direction="lower", help="change when explained again"),
    )

    def measure(self, case):
        return {"again": float((case.explain(seed=3) - case.map).abs().max())}


@pytest.fixture
def compared(toy_plugin, toy_cohort, tmp_path, monkeypatch):
    """A function that runs a benchmark of five subjects, and gives its folder."""
    for name, explainer in (("grain", Grain), ("breaks", Breaks), ("capsules", Inapplicable), ("frame", Frame)):
        toy_plugin.offer("explainer", name, explainer)
    toy_plugin.offer("metric", "height", Height)
    toy_plugin.offer("metric", "again", Again)
    toy_plugin.offer("predictor", "line", Line)
    monkeypatch.setattr("interpbench.pipeline.benchmarking.pages.write_benchmark_pages", lambda *_: None)
    monkeypatch.setattr(Grain, "made", Sheet(tmp_path / "made"), raising=False)
    monkeypatch.setattr(Height, "measured", Sheet(tmp_path / "measured"), raising=False)
    monkeypatch.setattr(Height, "act", lambda method: None, raising=False)

    def compared(name: str, number: int) -> Path:
        benchmark(
            toy_cohort,
            "line",
            tmp_path / name,
            methods=["grain", "capsules", "breaks", "frame"],
            measures=["height", "again"],
            floors=False,
            subjects=5,
            repeats=2,
            device="cpu",
            processes=number,
        )
        return tmp_path / name

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one process alone would use all of them
    yield compared
    torch.set_num_threads(threads)


def tables(folder: Path) -> dict[str, bytes]:
    """What a benchmark wrote, but for its own folder's name (the template's path is an option of a floor)."""
    own = str(folder).encode()
    files = [folder / name for name in ("measures.tsv", "curves.tsv", "summary.tsv", "benchmark.json", "measures.json")]
    return {path.name: path.read_bytes().replace(own, b"") for path in [*files, *sorted(folder.glob("sub-*/*"))]}


def wait_until(true: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
@forks
def test_the_number_of_processes_changes_no_byte_of_what_is_written(compared):
    alone, *others = (tables(compared(f"by{number}", number)) for number in (1, 2, 3))
    assert all(other.keys() == alone.keys() for other in others)
    for name, content in alone.items():
        assert all(other[name] == content for other in others), name


@forks
def test_subjects_are_measured_once_each_and_not_by_the_caller(compared):
    compared("out", 2)
    who = Height.measured.lines()
    assert Counter(Counter((subject, method) for subject, method, _ in who).values()) == {1: len(who)}
    assert len({pid for *_, pid in who}) == 2 and str(os.getpid()) not in {pid for *_, pid in who}
    assert len(Grain.made.lines()) == 5 + 2  # a map for each, and one under another seed for those on whom it is asked


@pytest.mark.slow
@forks
def test_what_one_process_tells_several_tell_as_well_and_no_more(compared, capfd):
    def told(number: int) -> list[str]:
        handler = logging.StreamHandler()
        logging.getLogger("interpbench").addHandler(handler)
        try:
            compared(f"by{number}", number)
        finally:
            logging.getLogger("interpbench").removeHandler(handler)
        return [line for line in capfd.readouterr().err.splitlines() if "frame" not in line]

    Height.act = lambda method: {}[method] if method == "breaks" else None
    alone, together = told(1), told(2)
    assert sorted(alone) == sorted(together)
    assert sum("capsules is excluded" in line for line in together) == 1
    assert sum("no map" in line for line in together) > 0 < sum("metric 'height'" in line for line in together)


@pytest.mark.slow
@forks
def test_killed_with_all_its_processes_a_benchmark_loses_the_maps_in_hand_at_most(compared):
    def stop(method: str) -> None:
        if len(Height.measured.lines()) >= 7:
            time.sleep(60)

    whole = tables(compared("whole", 1))
    Height.measured.path.unlink(), Grain.made.path.unlink()
    caller = os.fork()
    if caller == 0:
        try:
            Height.act = stop
            compared("out", 2)
        finally:
            os._exit(0)
    wait_until(lambda: len(Height.measured.lines()) >= 8)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    before = Height.measured.lines()
    wait_until(lambda: not any(runs(pid) for *_, pid in before), seconds=5)
    folder = compared("out", 2)
    counts = Counter((subject, method) for subject, method, _ in Height.measured.lines())
    assert sorted(counts.values())[-3:] in ([1, 1, 2], [1, 2, 2])
    assert tables(folder) == whole and not list(folder.glob("sub-*/.*unfinished*"))


@pytest.mark.slow
@forks
def test_a_process_that_is_killed_costs_nothing_but_time(compared, caplog, tmp_path):
    def die(method: str) -> None:
        if method == "breaks" and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    whole = tables(compared("whole", 1))
    Height.act = die
    assert tables(compared("out", 2)) == whole
    assert sum("1 of 2 processes were killed" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.slow
def test_a_restart_goes_on_with_the_map_that_was_in_hand(compared):
    def stop(method: str) -> None:
        if len(Height.measured.lines()) == 4:
            raise KeyboardInterrupt

    whole = tables(compared("whole", 1))
    Height.measured.path.unlink()
    Height.act = stop
    with pytest.raises(KeyboardInterrupt):
        compared("out", 1)
    Height.act = lambda method: None
    assert tables(compared("out", 1)) == whole
    lines = [line[:2] for line in Height.measured.lines()]
    assert lines[3] == lines[4] and len(set(lines)) == len(lines) - 1


@forks
def test_the_command_line_passes_the_number(compared, toy_cohort, tmp_path, run):
    words = ["--methods", "grain", "--measures", "height", "--no-floors", "--subjects", "3", "--processes", "2"]
    code, _, err = run("benchmark", toy_cohort, "--predictor", "line", "--out", tmp_path / "out", *words)
    assert code == 0, err
    assert str(os.getpid()) not in {pid for *_, pid in Height.measured.lines()}


@pytest.mark.slow
def test_why_a_floor_has_no_map_is_known_after_a_restart_too(compared):
    first = json.loads((compared("out", 1) / "benchmark.json").read_text())
    again = json.loads((compared("out", 1) / "benchmark.json").read_text())
    notes = {one["name"]: one["note"] for one in again["methods"]}
    assert notes["frame"] == "the template has no frame" and first == again
