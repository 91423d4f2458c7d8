"""How a benchmark's work is divided: how many processes, whose turn it is, what is made once, what an end leaves."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from interpbench import Explainer, option
from interpbench.contract.interfaces import Sample
from interpbench.errors import UsageError
from interpbench.files.locks import alone
from interpbench.parallel.side_by_side import hindrance, side_by_side
from interpbench.pipeline.benchmarking import processes
from interpbench.pipeline.benchmarking.making import FoundMaps
from interpbench.pipeline.benchmarking.measuring import Measuring
from interpbench.pipeline.benchmarking.processes import free_memory, processes_for
from interpbench.pipeline.benchmarking.refits import Refits
from interpbench.pipeline.benchmarking.unfinished import Unfinished
from interpbench.testing import linear_predictor
from interpbench_measures.shuffling import randomised

CPU = torch.device("cpu")
forks = pytest.mark.skipif(bool(hindrance(CPU)), reason="no processes are forked here")

ROWS = [
    {"participant_id": "sub-1", "method": "a", "measure": "m", "step": None, "value": 0.1 + 0.2, "note": None},
    {"participant_id": "sub-1", "method": "a", "measure": "c", "step": 2.5, "value": float("nan"), "note": "=n/a\t "},
]


def test_rows_of_an_unfinished_subject_come_back_as_they_were_for_the_same_run_and_image_only(tmp_path):
    product = tmp_path / "sub-1" / "sub-1_table.tsv"
    unfinished = Unfinished(product=product, stamp={"run": "r", "image_sha256": "i"})
    assert unfinished.read() == {}
    unfinished.keep({"a": ROWS})
    assert repr(unfinished.read()) == repr({"a": ROWS})
    assert Unfinished(product=product, stamp={"run": "r", "image_sha256": "other"}).read() == {}
    unfinished.path.write_text(unfinished.path.read_text()[:-9])
    assert unfinished.read() == {}
    unfinished.remove()
    assert not list(product.parent.iterdir())


@dataclass(frozen=True, kw_only=True)
class Pupil(Explainer):
    """Learns one number, slowly."""

    learned: ClassVar[bool] = True
    fits: ClassVar[Path]
    number: float = option(0.0, "what it learned")

    def fit(self, predictor, training, validation):
        add(self.fits, "a fit")
        time.sleep(0.2)
        return Pupil(number=2.0)

    def state(self):
        return {"number": torch.tensor(self.number)}

    def with_state(self, state):
        return Pupil(number=float(state["number"]))

    def explain(self, predictor, volumes):
        return volumes[:, 0] * self.number


class Fixed(Explainer):
    """Learns nothing."""

    def explain(self, predictor, volumes):
        return volumes[:, 0]


def add(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


@forks
def test_of_two_processes_one_fits_and_the_other_waits_for_it(tmp_path, monkeypatch):
    fits, learned, line = tmp_path / "fits", tmp_path / "learned", linear_predictor(torch.rand(6, 7, 8))
    monkeypatch.setattr(Pupil, "fits", fits, raising=False)
    sample = Sample(subject="1", volume=torch.zeros(1, 6, 7, 8), brain=torch.ones(6, 7, 8).bool(), target=0.0)
    refits = Refits(folder=tmp_path / "refits", training=[sample], validation=[sample], seed=0)
    others = [randomised(line, "all", seed) for seed in (0, 1)]

    def work(place: int) -> None:
        for other in others:
            add(learned, f"{os.getpid()} {refits.of(Pupil(), other, 'pupil').number}")

    side_by_side([0, 1], work, 2, "testing")
    pids, numbers = zip(*(line.split() for line in learned.read_text().splitlines()), strict=True)
    assert len(fits.read_text().splitlines()) == 2 and numbers == ("2.0",) * 4 and len(set(pids)) == 2
    assert not list((tmp_path / "refits").glob(".*"))


@forks
def test_a_lock_ends_with_its_process(tmp_path):
    holder = os.fork()
    if holder == 0:
        try:
            with alone(tmp_path / "lock"):
                (tmp_path / "inside").touch()
                time.sleep(60)
        finally:
            os._exit(0)
    while not (tmp_path / "inside").exists():
        time.sleep(0.01)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    with alone(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("asked", "threads", "gigabytes", "subjects", "found"),
    [
        (None, 4, 100, 15, 4),
        (0, 64, 100, 15, 8),
        (None, 4, 100, 3, 3),
        (None, 4, 4.5, 15, 2),  # 1 GiB and 1 GiB for the volumes each
        (None, 4, 0.5, 15, 1),
        (3, 1, 0.5, 15, 3),
        (20, 4, 100, 15, 15),
    ],
)
@forks
def test_there_are_as_many_processes_as_threads_memory_and_subjects_allow(
    monkeypatch, asked, threads, gigabytes, subjects, found
):
    monkeypatch.setattr(processes, "free_memory", lambda: int(gigabytes * 2**30))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert processes_for(asked, CPU, subjects=subjects, voxels=2**16, batch_size=8) == found


def test_on_a_gpu_there_is_one_process_and_who_asked_for_more_is_told(caplog):
    given = {"subjects": 9, "voxels": 9, "batch_size": 1}
    assert processes_for(None, torch.device("cuda"), **given) == 1 and not caplog.records
    assert processes_for(4, torch.device("cuda"), **given) == 1 and "one process instead of 4" in caplog.text
    with pytest.raises(UsageError, match="processes"):
        processes_for(-1, CPU, **given)


def test_free_memory_is_what_the_machine_has_or_less(monkeypatch, tmp_path):
    assert 0 < free_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name, text in (("max", "1000\n"), ("current", "900\n"), ("stat", "anon 600\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert processes._left_to(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert processes._left_to(tmp_path) is None


@pytest.mark.parametrize(
    ("learns", "done_after", "order"),
    [
        (False, 9, "ABcdef"),  # the longest first
        (True, 3, "AcdBef"),  # B waits for what A has fitted
        (True, 9, "AcdefB"),  # but not for ever
    ],
)
def test_the_longest_come_first_but_those_that_need_the_firsts_fits_wait_for_it(monkeypatch, learns, done_after, order):
    class Stub:
        explainer = Pupil() if learns else Fixed()

    measuring = Measuring(run=None, circumstances=None, maps=None, base=[Stub()], contestants=[], metrics=[], repeats=2)
    given: list[str] = []  # filled turn by turn: `_done` looks at it
    monkeypatch.setattr(Measuring, "_done", lambda self, found, place: len(given) >= done_after)
    found = FoundMaps(subjects=list("ABcdef"))
    given.extend(found.subjects[turn] for turn in measuring._turns(range(6), found))
    assert "".join(given) == order
