"""How many processes a benchmark works in, by threads, subjects and memory, on machines made up for the test."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interpbench.errors import UsageError
from interpbench.pipeline.benchmarking import processes
from interpbench.pipeline.benchmarking.processes import BASE, EACH_VOXEL, MOST, processes_for

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """`machine(threads, bytes, reason)`: what the machine has, and why it cannot fork."""

    def machine(threads: int = 16, free: int = 10**15, reason: str = "") -> None:
        monkeypatch.setattr(processes.torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(processes, "free_memory", lambda: free)
        monkeypatch.setattr(processes, "hindrance", lambda device: reason)

    return machine


def number(asked: int | None = None, subjects: int = 99, voxels: int = 10**5, batch_size: int = 1) -> int:
    return processes_for(asked, CPU, subjects=subjects, voxels=voxels, batch_size=batch_size)


@pytest.mark.parametrize("asked", [None, 0])
@pytest.mark.parametrize(
    ("threads", "subjects", "room", "expected"),
    [
        pytest.param(4, 99, 99, 4, id="threads"),
        pytest.param(64, 99, 99, MOST, id="no more than the most"),
        pytest.param(16, 3, 99, 3, id="subjects"),
        pytest.param(16, 99, 5, 5, id="memory"),
        pytest.param(16, 99, 0, 1, id="no room for one"),
        pytest.param(1, 99, 99, 1, id="one thread"),
        pytest.param(16, 1, 99, 1, id="one subject"),
    ],
)
def test_it_is_as_many_as_the_scarcest_thing_allows(
    asked: int | None, threads: int, subjects: int, room: int, expected: int, machine
) -> None:
    machine(threads, room * (BASE + 10**5 * EACH_VOXEL))
    assert number(asked, subjects) == expected


def test_larger_volumes_and_batches_leave_room_for_fewer(machine) -> None:
    each = BASE + 10**6 * EACH_VOXEL
    machine(free=6 * each)
    assert number(voxels=10**6) == 6
    machine(free=6 * each - 1)
    assert number(voxels=10**6) == 5
    assert number(voxels=10**6, batch_size=2) == 3
    assert number(voxels=10**9, batch_size=8) == 1


@pytest.mark.parametrize(("asked", "subjects", "expected"), [(1, 9, 1), (5, 9, 5), (12, 9, 9), (99, 99, 99)])
def test_who_asks_for_a_number_gets_it_but_no_more_than_subjects(
    asked: int, subjects: int, expected: int, machine
) -> None:
    machine(threads=2, free=0)
    assert number(asked, subjects) == expected


@pytest.mark.parametrize(("asked", "told"), [(None, False), (0, False), (1, False), (2, True)])
def test_where_nothing_can_be_forked_there_is_one_and_who_asked_for_more_is_told(
    asked: int | None, told: bool, machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine(reason="the moon is full")
    with caplog.at_level(logging.WARNING, "interpbench"):
        assert number(asked) == 1
    assert ("one process instead of 2: the moon is full" in caplog.text) is told


@pytest.mark.parametrize("asked", [-1, -99])
def test_fewer_than_none_is_refused(asked: int, machine) -> None:
    machine(reason="the moon is full")
    with pytest.raises(UsageError, match=f"processes must be at least 1, or 0 .*, got {asked}"):
        number(asked)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(1, 50), st.integers(1, 10**9), st.integers(1, 8))
def test_there_is_always_at_least_one_and_never_more_than_subjects(
    asked: int, subjects: int, voxels: int, batch_size: int
) -> None:
    assert 1 <= number(asked, subjects, voxels, batch_size) <= subjects


# Memory


def group(folder: Path, limit: str, used: int = 0, inactive: int | None = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text("anon 7\n" + ("" if inactive is None else f"inactive_file {inactive}\n"))
    return folder


@pytest.mark.parametrize(
    ("limit", "used", "inactive", "left"),
    [
        ("1000", 300, 0, 700),
        ("1000", 300, 200, 900),
        ("1000", 300, None, 700),
        ("1000", 1200, 0, -200),
        ("max", 300, 0, None),
        ("", 300, 0, None),
    ],
    ids=["a limit", "files that can go", "an older kernel", "beyond it", "no limit", "empty"],
)
def test_a_group_leaves_its_limit_less_what_cannot_go(
    limit: str, used: int, inactive: int | None, left: int | None, tmp_path: Path
) -> None:
    assert processes._left_to(group(tmp_path / "g", limit, used, inactive)) == left
    assert processes._left_to(tmp_path / "gone") is None


def test_the_tightest_of_the_machine_and_all_groups_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, groups, free in ((500, [], 500), (500, [700, 300], 300), (200, [700], 200), (500, [-5], -5)):
        monkeypatch.setattr(processes, "_available", lambda available=available: available)
        monkeypatch.setattr(processes, "_left_to_groups", lambda groups=groups: groups)
        assert processes.free_memory() == free


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="Linux")
def test_what_is_available_is_what_the_system_says_and_less_than_it_has() -> None:
    total = int(next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line).split()[1])
    assert 0 < processes._available() < total * 2**10


def test_without_the_systems_word_free_pages_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Path, *_: object, **__: object) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", gone)
    monkeypatch.setattr(processes.os, "sysconf", {"SC_AVPHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert processes._available() == 7 * 4096
    assert processes._left_to_groups() == []
