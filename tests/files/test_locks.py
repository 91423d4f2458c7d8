"""Locks between processes end with them."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interpbench.files.locks import FolderLock, alone

fcntl = pytest.importorskip("fcntl")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind there")

HOLDS = """
import sys, time
from pathlib import Path
from interpbench.files.locks import FolderLock
hold = FolderLock.on(Path(sys.argv[1]))
print(hold.alone(), flush=True)
if sys.argv[2] == "share":
    hold.share()
print("there", flush=True)
sys.stdin.read()
"""


@contextmanager
def another(folder: Path, how: str = "share") -> Iterator[tuple[subprocess.Popen[str], bool]]:
    """Another process with a hold on the folder, and whether it was alone there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    alone = process.stdout.readline().strip() == "True"
    process.stdout.readline()
    try:
        yield process, alone
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_who_is_there_is_seen_until_it_is_killed(tmp_path: Path) -> None:
    with another(tmp_path) as (process, alone):
        assert alone
        hold = FolderLock.on(tmp_path)
        assert hold.alone() is False
        process.kill()
        process.wait()
        assert hold.alone() is True


def test_several_share_a_folder(tmp_path: Path) -> None:
    with another(tmp_path), another(tmp_path) as (_, alone):
        assert not alone


def test_a_process_does_not_stand_in_its_own_way(tmp_path: Path) -> None:
    first, second = FolderLock.on(tmp_path), FolderLock.on(tmp_path / "." / ".." / tmp_path.name)
    assert first is second
    first.share()
    assert second.alone() is True


def test_a_hold_ends_with_its_last_user(tmp_path: Path) -> None:
    hold = FolderLock.on(tmp_path)
    hold.share()
    with another(tmp_path) as (_, alone):
        assert not alone
    del hold
    gc.collect()
    with another(tmp_path) as (_, alone):
        assert alone


def test_a_forked_process_that_ends_does_not_end_its_parents_hold(tmp_path: Path) -> None:
    hold = FolderLock.on(tmp_path)
    hold.share()
    child = multiprocessing.get_context("fork").Process(target=gc.collect)
    child.start()
    child.join()
    with another(tmp_path) as (_, alone):
        assert not alone


COUNTS = """
import sys, time
from pathlib import Path
from interpbench.files.locks import alone
for _ in range(20):
    with alone(Path(sys.argv[1]) / ".count.lock"):
        count = Path(sys.argv[1]) / "count"
        number = int(count.read_text())
        time.sleep(0.001)
        count.write_text(str(number + 1))
"""


def test_one_at_a_time_is_inside_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    others = [subprocess.Popen([sys.executable, "-c", COUNTS, str(tmp_path)]) for _ in range(3)]
    assert [other.wait() for other in others] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "60"
    assert [one.name for one in tmp_path.iterdir()] == ["count"]


def test_a_process_that_is_killed_inside_lets_the_next_one_in(tmp_path: Path) -> None:
    source = "import sys, time; from pathlib import Path; from interpbench.files.locks import alone\n"
    source += "with alone(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    path = tmp_path / "new" / ".lock"
    with subprocess.Popen([sys.executable, "-c", source, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        other.kill()
    with alone(path):
        assert path.is_file()


def test_where_there_are_no_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    inside = False
    with alone(tmp_path / ".lock"):
        inside = True
    assert inside


def test_what_goes_wrong_inside_comes_out(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inside"), alone(tmp_path / ".lock"):
        raise OSError("inside")
    assert not list(tmp_path.iterdir())
