"""What the user allowed is kept where nobody else can write, or it is not believed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
Refused = Callable[[tuple[int, str, str], str], None]


def no_json(place: Path) -> None:
    place.write_text("{")


def of_another_record(place: Path) -> None:
    place.write_text(place.read_text().replace(place.stem, "0" * 64))


def of_another_name(place: Path) -> None:
    place.write_text(place.read_text().replace("somebodys_network:make", "os:system"))


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


STORES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file that is gone": (Path.unlink, ""),
    "an empty file": (lambda place: place.write_text(""), "is not JSON"),
    "a file that is no JSON": (no_json, "is not JSON"),
    "a list": (lambda place: place.write_text("[]"), "is damaged"),
    "trust in another record": (of_another_record, "is damaged"),
    "trust in another name": (of_another_name, ""),
    "a folder in the file's place": (lambda place: (place.unlink(), place.mkdir()), "is not a file"),
    "a pipe in the file's place": (lambda place: (place.unlink(), os.mkfifo(place)), "is not a file"),
    "a file in the folder's place": (
        lambda place: (shutil.rmtree(place.parent), place.parent.write_text("")),
        "is not a",
    ),
    "a link in the file's place": (replaced_by_a_link, "is a symbolic link"),
    "a link in the folder's place": (lambda place: replaced_by_a_link(place.parent), "is a symbolic link"),
    "a link in the store's place": (lambda place: replaced_by_a_link(place.parents[1]), "is a symbolic link"),
    "a file that others may write": (lambda place: place.chmod(0o602), "is writable by other users"),
    "a file that a group may write": (lambda place: place.chmod(0o620), "is writable by other users"),
    "a folder that others may write in": (lambda place: place.parent.chmod(0o777), "is writable by other users"),
    "a store that others may write in": (lambda place: place.parents[1].chmod(0o1777), "is writable by other users"),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")
@pytest.mark.parametrize("fault", STORES)
def test_a_store_is_never_believed_with(fault: str, given: Run, run: Run, somebody: Any) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    (kept,) = (somebody.home / "config" / "trusted").iterdir()
    harm, said = STORES[fault]
    harm(kept)
    code, _, told = given("predict")
    assert (code, told.count("\n")) == (3, 1) and "would import" in told and said in told, told
    assert somebody.markers() == []
    assert given("predict", "--trust-factory", "somebodys_network:make")[0] == 0


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_store_of_another_user_is_not_believed(given: Run, run: Run, somebody: Any) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    (kept,) = (somebody.home / "config" / "trusted").iterdir()
    os.chown(kept, 1234, 1234)
    code, _, told = given("predict")
    assert code == 3 and "belongs to another user" in told and somebody.markers() == []


PLACES = {
    "below a file": ("FILE/config", "FILE"),
    "no absolute path": ("config", "INTERPBENCH_CONFIG must be an absolute path"),
}


@pytest.mark.parametrize("place", PLACES)
def test_where_trust_cannot_be_kept_adopt_goes_on_and_says_what_to_do(
    place: str, run: Run, given: Run, refused: Refused, somebody: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (somebody.home / "file").write_text("")
    folder, said = (words.replace("FILE", str(somebody.home / "file")) for words in PLACES[place])
    monkeypatch.setenv("INTERPBENCH_CONFIG", folder)
    shutil.rmtree(somebody.folder)
    recipe = ["--shape", "10x12x8", "--voxel-size", "4"]
    code, _, told = run(
        "adopt", "somebodys_network:make", somebody.home / "w.safetensors", *recipe, "--out", somebody.folder
    )
    assert code == 0 and said in told and f"interpbench trust {somebody.folder}" in told
    somebody.forget()
    code, _, told = run("trust", somebody.folder, "--yes")
    assert (code, told.count("\n")) == (2, 1) and said in told
    refused(given("predict"), "somebodys_network:make")
    assert given("predict", "--trust-factory", "somebodys_network:make")[0] == 0
    assert not Path("config").exists()
