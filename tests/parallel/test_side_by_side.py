"""Processes side by side do each item once, hurt nobody when they fail, and never outlive who called them."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from interpbench.files.atomic import atomic_path
from interpbench.parallel.side_by_side import hindrance, side_by_side

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(bool(hindrance(CPU)), reason="no processes are forked here")


@pytest.fixture
def note(tmp_path: Path) -> Callable[[object], None]:
    """Adds a line to a file, from any process."""

    def note(what: object) -> None:
        with (tmp_path / "notes").open("a") as file:
            file.write(f"{what}\n")

    return note


def noted(folder: Path) -> list[str]:
    path = folder / "notes"
    return path.read_text().split() if path.exists() else []


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody has asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def has_no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def test_every_item_is_done_once_and_by_several_processes(note, tmp_path):
    def work(item: str) -> None:
        note(f"{item}:{os.getpid()}")
        wait_until(lambda: len(noted(tmp_path)) > 1)  # the other one has begun as well

    side_by_side(list("abcdef"), work, 3, "testing")
    items, pids = zip(*(line.split(":") for line in noted(tmp_path)), strict=True)
    assert sorted(items) == list("abcdef") and len(set(pids)) > 1 and str(os.getpid()) not in pids
    assert has_no_children()


def test_each_process_computes_with_one_thread_and_can_ask_for_gradients(note, tmp_path):
    weight = torch.ones(3, 40_000, requires_grad=True)
    weight.square().sum().backward()  # whatever threads there may be, they run before the fork

    def work(item: int) -> None:
        (gradient,) = torch.autograd.grad(weight.square().sum(), weight)
        note(f"{torch.get_num_threads()}:{float(gradient.sum()):g}")

    side_by_side([0, 1], work, 2, "testing")
    assert noted(tmp_path) == ["1:240000"] * 2


def test_one_process_or_one_item_is_left_to_the_caller(note, tmp_path):
    side_by_side([1, 2, 3], note, 1, "testing")
    side_by_side([1], note, 2, "testing")
    assert noted(tmp_path) == []


def test_an_item_is_chosen_when_somebody_is_free_for_it(note, tmp_path):
    done: list[int] = []

    def order() -> Iterator[int]:
        for place in (2, 0, 3, 1):
            done.append(len(noted(tmp_path)))
            yield place

    side_by_side(list("abcd"), note, 2, "testing", order=order())
    assert done[2] >= 1 and done[3] >= 2 and sorted(noted(tmp_path)) == list("abcd")


def test_an_error_ends_its_process_quietly_and_leaves_the_item_to_the_caller(note, tmp_path, caplog):
    def work(item: str) -> None:
        if item == "b":
            raise KeyError("b")
        note(item)

    side_by_side(list("abcd"), work, 2, "testing")
    assert sorted(noted(tmp_path)) == ["a", "c", "d"]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_of_a_process_that_is_killed_one_warning_tells_and_the_others_go_on(note, tmp_path, caplog):
    def work(item: str) -> None:
        if item == "a":
            os.kill(os.getpid(), signal.SIGKILL)
        note(item)

    side_by_side(list("abcd"), work, 2, "testing")
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "1 of 2 processes were killed" in warning and sorted(noted(tmp_path)) == ["b", "c", "d"]


def test_when_the_caller_is_interrupted_the_processes_put_away_what_they_were_writing(note, tmp_path):
    def work(item: int) -> None:
        with atomic_path(tmp_path / "product.tsv") as path:
            path.write_text("half")
            note(os.getpid())
            if item < 2:
                time.sleep(60)

    def order() -> Iterator[int]:
        yield from (0, 2)
        wait_until(lambda: len(noted(tmp_path)) == 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([0, 1, 2], work, 2, "testing", order=order())
    assert has_no_children()
    assert {path.name for path in tmp_path.iterdir()} == {"notes", "product.tsv"}  # that of the one who was done


@pytest.mark.parametrize("deaf", [False, True])
def test_the_processes_die_with_a_caller_who_is_killed(note, tmp_path, deaf):
    def work(item: int) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else signal.SIG_DFL)
        note(os.getpid())
        time.sleep(60)

    caller = os.fork()
    if caller == 0:
        try:
            side_by_side([0, 1], work, 2, "testing")
        finally:
            os._exit(0)
    wait_until(lambda: len(noted(tmp_path)) == 2)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    wait_until(lambda: not any(runs(int(pid)) for pid in noted(tmp_path)), seconds=5)


def test_nothing_is_forked_beside_another_thread(note, tmp_path):
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        side_by_side([1, 2], note, 2, "testing")
        assert "1 other Python threads" in hindrance(CPU)
    finally:
        ended.set()
        thread.join()
    assert noted(tmp_path) == [] and not hindrance(CPU)


def test_a_gpu_is_a_hindrance():
    assert "GPU" in hindrance(torch.device("cuda"))


def test_silent_processes_log_nothing(capfd, tmp_path):
    log = logging.getLogger("interpbench")
    handler = logging.StreamHandler()
    log.addHandler(handler)
    try:
        side_by_side([1, 2], lambda item: log.warning("item %d", item), 2, "testing", silent=True)
        side_by_side([3, 4], lambda item: log.warning("item %d", item), 2, "testing")
    finally:
        log.removeHandler(handler)
    assert sorted(capfd.readouterr().err.splitlines()) == ["item 3", "item 4"]
