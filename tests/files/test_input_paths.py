"""Whether writing to a path would change what is read, against a second way of finding out: trying it."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench.files.input_paths import InputPaths

FILES = ("a/x", "a/b/y", "a/b/z", "c/x", "c/d/e/w")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a few files, and links of every kind to some of them."""
    root = tmp_path / "tree"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "to_file").symlink_to("a/x")
    (root / "to_folder").symlink_to("a/b")
    (root / "c" / "back").symlink_to("../a")
    (root / "c" / "chain").symlink_to("../to_file")
    (root / "hard").hardlink_to(root / "c" / "x")
    (root / "nowhere").symlink_to("gone")
    return root


ASKED = [
    *("a/x", "a", "a/b", "a/b/y", "c/x", "hard", "to_file", "to_folder", "to_folder/y", "c/back", "c/back/b/z"),
    *("c/chain", "c/d", "c/d/e", "c/d/e/w", "c", "new", "a/new", "to_folder/new", "c/back/new", "."),
    *("./a/../c/x", "a/b/../x", "gone"),
]
READ = ("a/x", "a/b", "to_file", "to_folder", "hard", "c/chain", "c/d/e/w", "c/back", "a/b/y", "gone")


def content(path: Path) -> str:
    """What somebody reads who opens this path: bytes of a file, names and bytes of a folder."""
    if path.is_dir():
        below = sorted(one for one in path.rglob("*") if one.is_file())
        return str([(str(one.relative_to(path)), one.read_bytes()) for one in below])
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"


@pytest.mark.parametrize("read", READ)
def test_whatever_would_change_what_is_read_is_touched(read: str, tree: Path, tmp_path: Path) -> None:
    before = content(tree / read)
    for asked in ASKED:
        inputs = InputPaths()
        inputs.add(tree / read, "an input")
        told = inputs.touched(tree / asked, folder=False)
        trial = tmp_path / "trial"
        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(tree, trial, symlinks=True)
        (trial / "hard").unlink()
        (trial / "hard").hardlink_to(trial / "c" / "x")  # which a copy does not keep
        target = trial / asked
        if not target.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("written")
            assert told is not None or content(trial / read) == before, asked


@pytest.mark.parametrize("seed", range(12))
def test_what_lies_apart_from_all_inputs_is_never_touched(seed: int, tree: Path) -> None:
    draw = random.Random(seed)
    read = draw.sample(READ, 3)
    inputs = InputPaths()
    for one in read:
        inputs.add(tree / one, "an input")
    real = [(tree / one).resolve() for one in read]
    numbers = {one.stat().st_ino for one in real if one.exists()}
    links = {own_place(tree / one) for one in (*read, "to_file")}  # a link that is followed is read as well
    for asked in ASKED:
        place = (tree / asked).resolve()
        near = any(place.is_relative_to(one) for one in real) or (place.exists() and place.stat().st_ino in numbers)
        if not near and not {place, own_place(tree / asked)} & links:
            assert inputs.touched(tree / asked, folder=False) is None, asked


def own_place(path: Path) -> Path:
    """Where a link itself lies."""
    return path.parent.resolve() / path.name


@pytest.mark.parametrize(
    ("read", "asked", "folder", "how"),
    [
        pytest.param("a/x", "a/x", False, "is", id="the file"),
        pytest.param("a/x", "to_file", False, "is", id="a link to the file"),
        pytest.param("to_file", "a/x", False, "is", id="what a link names"),
        pytest.param("to_file", "to_file", False, "is", id="the link"),
        pytest.param("c/chain", "to_file", False, "is", id="a link on the way"),
        pytest.param("c/x", "hard", False, "is", id="another name of the file"),
        pytest.param("a/b", "a/b/new/deep", False, "lies in", id="deep in a folder"),
        pytest.param("a/b", "to_folder/new", False, "lies in", id="in a link to a folder"),
        pytest.param("to_folder", "a/b/new", False, "lies in", id="in what a link names"),
        pytest.param("c", "c/chain", False, "lies in", id="a link in a folder that leads out of it"),
        pytest.param("a/x", "a", True, "holds", id="a folder around it"),
        pytest.param("c/d/e/w", "c", True, "holds", id="a folder far around it"),
        pytest.param("c/back/x", "a", True, "holds", id="a folder around it by a link"),
        pytest.param("a/x", "a", False, None, id="a file where a folder is"),
        pytest.param("a/x", "a/new", False, None, id="a file beside it"),
        pytest.param("a/x", "c", True, None, id="a folder beside it"),
        pytest.param("gone", "gone", False, "is", id="what is not there yet"),
        pytest.param("gone", "nowhere", False, "is", id="by a link that leads there"),
    ],
)
def test_it_is_told_how_a_path_meets_what_is_read(
    read: str, asked: str, folder: bool, how: str | None, tree: Path
) -> None:
    inputs = InputPaths()
    inputs.add(tree / read, "the input")
    told = inputs.touched(tree / asked, folder=folder)
    assert (told and told[0]) == how
    assert told is None or str(told[1]) == f"the input {tree / read}"


@pytest.mark.parametrize(
    ("asked", "free"),
    [("a/out/new", True), ("a/out/deep/new", True), ("a/out", False), ("a/new", False), ("a/outer/x", False)],
)
def test_in_a_folder_that_is_read_as_a_whole_one_may_write_below_one_name(asked: str, free: bool, tree: Path) -> None:
    inputs = InputPaths()
    inputs.add(tree / "a", "the cohort", but="out")
    assert (inputs.touched(tree / asked, folder=False) is None) is free


@pytest.mark.parametrize(
    ("asked", "how"),
    [("sub-1/new", "lies in the folder of"), ("sub-1/deep/new", "lies in the folder of"), ("sub-2/new", None)],
)
def test_the_folder_of_a_subject_is_taken_as_a_whole(asked: str, how: str | None, tree: Path) -> None:
    for name in ("sub-1/anat/x.nii", "sub-2/anat/x.nii"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text("")
    inputs = InputPaths()
    inputs.add(tree / "sub-1/anat/x.nii", "the image", subject="1")
    inputs.add(tree / "sub-2/anat/x.nii", "the image", subject="1")  # of another subject's name
    told = inputs.touched(tree / asked, folder=False)
    assert (told and told[0]) == how


LINKS: dict[str, Callable[[Path], object]] = {
    "to itself": lambda root: (root / "loop").symlink_to("loop"),
    "to its folder": lambda root: (root / "loop").symlink_to("."),
    "to each other": lambda root: ((root / "loop").symlink_to("other"), (root / "other").symlink_to("loop")),
    "to a name too long": lambda root: (root / "loop").symlink_to("x" * 200 + "/" + "y" * 200),
}


@pytest.mark.parametrize("kind", LINKS)
def test_circles_of_links_end(kind: str, tree: Path) -> None:
    LINKS[kind](tree)
    inputs = InputPaths()
    inputs.add(tree / "loop", "a link")
    inputs.add(tree / "loop" / "deep" / "x", "a path through it")
    assert inputs.touched(tree / "loop", folder=False) is not None
    assert inputs.touched(tree / "c" / "new", folder=False) is None or kind == "to its folder"


@pytest.mark.parametrize("odd", ["a\0b", "x" * 5000, "\udcff"], ids=["a NUL", "too long", "other bytes"])
def test_what_no_file_can_be_called_is_no_input_and_touches_nothing(odd: str, tree: Path) -> None:
    inputs = InputPaths()
    inputs.add(tree / "a" / "x", "an input")
    inputs.add(str(tree / odd), "an odd one")
    assert inputs.touched(tree / "a" / "x", folder=False) is not None
    if "\0" not in odd:
        assert inputs.touched(tree / "c" / odd, folder=False) is None


def test_a_path_from_here_is_the_same_as_from_the_root(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "a")
    inputs = InputPaths()
    inputs.add("b/../x", "an input")
    inputs.add("../c/", "a folder")
    assert [inputs.touched(one, folder=False) is not None for one in (tree / "a" / "x", "x", "../c/new", "new")] == [
        True,
        True,
        True,
        False,
    ]
