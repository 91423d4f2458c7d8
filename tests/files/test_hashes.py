"""A file is hashed once, and again where it changed."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interpbench.errors import InputError
from interpbench.files import hashes
from interpbench.files.hashes import Hashes


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed, as they are."""
    names, sha256_of = list[str](), hashes.sha256_of
    monkeypatch.setattr(hashes, "sha256_of", lambda path: names.append(Path(path).name) or sha256_of(path))
    return names


def test_a_file_is_hashed_once_whatever_its_path_is_called(tmp_path: Path, hashed: list[str], monkeypatch) -> None:
    (tmp_path / "a").write_bytes(b"bytes")
    known = Hashes()
    assert known.of(tmp_path / "a") == hashlib.sha256(b"bytes").hexdigest()
    monkeypatch.chdir(tmp_path)
    assert known.of("a") == known.of(str(tmp_path / "." / "a")) == hashlib.sha256(b"bytes").hexdigest()
    assert hashed == ["a"]


@pytest.mark.parametrize("how", ["size", "times", "place"])
def test_a_file_that_changed_is_hashed_again(tmp_path: Path, hashed: list[str], how: str) -> None:
    place, known = tmp_path / "a", Hashes()
    place.write_bytes(b"bytes")
    known.of(place)
    then = place.stat()
    if how == "place":
        (tmp_path / "b").write_bytes(b"other")
        (tmp_path / "b").rename(place)
    else:
        place.write_bytes(b"longer bytes" if how == "size" else b"other")
    os.utime(place, ns=(then.st_atime_ns, then.st_mtime_ns + (how == "times")))
    assert known.of(place) == hashlib.sha256(place.read_bytes()).hexdigest()
    assert hashed == ["a", "a"]


def test_threads_hash_a_file_once_between_them(tmp_path: Path, hashed: list[str]) -> None:
    place, known = tmp_path / "a", Hashes()
    place.write_bytes(b"x" * 2**20)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(known.of, [place] * 64))) == 1
    assert hashed == ["a"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: cannot be read \(No such file"):
        Hashes().of(tmp_path / "gone")
