"""Which items processes take: those of the order, none of nothing, and none where there is nobody to share with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from interpbench.parallel.side_by_side import hindrance, side_by_side

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(bool(hindrance(CPU)), reason="no processes are forked here")


def taken(folder: Path) -> dict[str, int]:
    """Who did which item."""
    return {path.name: int(path.read_text()) for path in folder.iterdir()}


def work_in(folder: Path, items: list[str], processes: int, order: Iterator[int] | list[int] | None = None) -> None:
    side_by_side(
        items, lambda item: (folder / item).write_text(str(os.getpid())), processes, "items", order=order, silent=True
    )


@pytest.mark.parametrize(
    ("order", "done"),
    [
        ([4, 0], ["a", "e"]),
        ([], []),
        ([2, 2, 2], ["c"]),
        (iter([3, 1, 2, 0, 4]), ["a", "b", "c", "d", "e"]),
    ],
)
def test_those_of_the_order_are_done_and_no_others(order: list[int], done: list[str], tmp_path: Path) -> None:
    work_in(tmp_path, list("abcde"), 2, order)
    assert sorted(taken(tmp_path)) == done and os.getpid() not in taken(tmp_path).values()


@pytest.mark.parametrize(("items", "processes"), [("", 4), ("a", 4), ("abc", 1), ("abc", 0), ("abc", -1)])
def test_with_fewer_than_two_to_share_nothing_is_begun(items: str, processes: int, tmp_path: Path) -> None:
    drawn: list[int] = []
    work_in(tmp_path, list(items), processes, (drawn.append(place) or place for place in range(len(items))))
    assert taken(tmp_path) == {} and drawn == []


def test_no_more_processes_than_items_are_forked_and_none_is_left(tmp_path: Path) -> None:
    work_in(tmp_path, ["größe", "b c"], 9)
    assert sorted(taken(tmp_path)) == ["b c", "größe"] and 1 <= len(set(taken(tmp_path).values())) <= 2
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_elsewhere_than_on_linux_nothing_is_forked_and_it_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert hindrance(CPU) == "only Linux forks a process safely"
    work_in(tmp_path, list("abc"), 2)
    assert taken(tmp_path) == {}


@pytest.mark.parametrize("handles", [3, 1])
def test_no_pipe_is_left_open(handles: int, tmp_path: Path) -> None:
    def pipes() -> int:
        places = Path("/proc/self/fd").iterdir()
        return sum(str(place.readlink()).startswith("pipe:") for place in places if place.is_symlink())

    before = pipes()
    for _ in range(handles):
        work_in(tmp_path, list("ab"), 2)
    assert pipes() == before
