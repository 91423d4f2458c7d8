"""Holds on a folder within one process: each open hold counts as somebody, and one folder has one hold."""

from __future__ import annotations

import fcntl
import gc
from pathlib import Path

import pytest

from interpbench.files.locks import FolderLock, alone


def test_one_folder_has_one_hold_by_whatever_path_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    hold = FolderLock.on(folder)
    for other in (tmp_path / "link", Path("größe"), folder / "..", folder / ".." / "größe"):
        assert (FolderLock.on(other) is hold) is (other != folder / "..")


def test_who_is_alone_is_seen_by_another_hold_until_it_shares(tmp_path: Path) -> None:
    mine, other = FolderLock(tmp_path), FolderLock(tmp_path)
    assert mine.alone() is True and mine.alone() is True
    assert other.alone() is False
    mine.share()
    other.share()
    for one in (mine, other, mine):
        assert one.alone() is False
        one.share()  # who asked in vain has let go of its own share
    del other, one
    gc.collect()
    assert mine.alone() is True


def test_a_hold_on_another_folder_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert FolderLock.on(tmp_path / "a").alone() and FolderLock.on(tmp_path / "b").alone()
    inner, outer = FolderLock(tmp_path / "a"), FolderLock(tmp_path)
    assert inner.alone() is True and outer.alone() is True


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_cannot_be_held(kind: str, tmp_path: Path) -> None:
    place = tmp_path / kind
    if kind == "file":
        place.write_text("")
    with pytest.raises(OSError, match=kind):
        FolderLock.on(place)


def open_on(folder: Path) -> int:
    """How often this process has a folder open."""
    return sum(handle.is_dir() and handle.samefile(folder) for handle in Path("/proc/self/fd").iterdir())


def test_holds_leave_no_folder_open(tmp_path: Path) -> None:
    for _ in range(3):
        hold = FolderLock.on(tmp_path)
        hold.share()
        assert FolderLock.on(tmp_path) is hold and open_on(tmp_path) == 1
        del hold
        gc.collect()
        assert open_on(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_where_the_file_system_has_no_locks_nobody_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(handle: int, what: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuses)
    hold = FolderLock(tmp_path)
    assert hold.alone() is None
    hold.share()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_lock_ends_with_its_block_and_makes_its_folder_and_removes_its_file(
    error: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "größe" / ".one.lock"
    for _ in range(2):
        with pytest.raises(error), alone(path):
            assert path.is_file() and path.stat().st_mode & 0o077 == 0
            raise error
        assert path.parent.is_dir() and not path.exists()


def test_two_locks_at_once_are_two_files(tmp_path: Path) -> None:
    with alone(tmp_path / "a"), alone(tmp_path / "b"):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert list(tmp_path.iterdir()) == []
