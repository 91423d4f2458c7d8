"""The files that options name, wherever they stand in a value, and hashes that notice every change in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpbench import option
from interpbench.errors import InputError
from interpbench.files.failures import failure, finish
from interpbench.files.hashes import Hashes
from interpbench.files.named_files import files_in, hashes_of


@dataclass(frozen=True, kw_only=True)
class Component:
    value: Any = option("", "anything")
    choice: str = option("a", "a word", choices=("a", "b"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a few files and folders of odd names."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "[x].nii", "{y}", "ä ü.txt", "1"):
        Path(name).write_text(name)
    Path("folder").mkdir()
    Path("folder/inner").write_text("inner")
    return tmp_path


NESTED = json.dumps({"deep": [{"weights": "a"}]})
FOUND: dict[str, tuple[Any, dict[str, str]]] = {
    "a path": ("a", {"value": "a"}),
    "a Path": (Path("folder"), {"value": "folder"}),
    "a list": (["a", "nowhere", "b"], {"value.0": "a", "value.2": "b"}),
    "a tuple in a mapping": ({"x": ("a",), "y": "b"}, {"value.x.0": "a", "value.y": "b"}),
    "arguments as JSON": ('{"weights": "a", "depth": 3}', {"value.weights": "a"}),
    "a list as JSON": ('["a", "b"]', {"value.0": "a", "value.1": "b"}),
    "JSON in JSON": (json.dumps({"inner": NESTED}), {"value.inner.deep.0.weights": "a"}),
    "a name like a list": ("[x].nii", {"value": "[x].nii"}),
    "a name like an object": ("{y}", {"value": "{y}"}),
    "a name like an object in JSON": ('{"x": "{y}"}', {"value.x": "{y}"}),
    "letters and a blank": ("ä ü.txt", {"value": "ä ü.txt"}),
    "a digit as text": ("1", {"value": "1"}),
    "a digit as number": (1, {}),
    "no file": ("nowhere", {}),
    "nothing": (None, {}),
    "an empty word": ("", {}),
    "a word with a NUL": ("a\0", {}),
    "a word too long for a name": ("x" * 5000, {}),
    "half a character": ("\udcff", {}),
    "broken JSON": ('{"weights": "a"', {}),
    "endless JSON": ("[" * 100_000, {}),
    "bytes": (b"a", {}),
}


@pytest.mark.parametrize("name", FOUND)
def test_files_are_found_wherever_they_stand_in_an_option(name: str, here: Path) -> None:
    value, expected = FOUND[name]
    assert {place: str(file) for place, file in files_in(Component(value=value)).items()} == expected


def test_a_word_to_choose_is_no_file_and_what_has_no_options_names_none(here: Path) -> None:
    assert files_in(Component(choice="a")) == {}
    assert files_in(object()) == files_in("a") == files_in(None) == {}


# Hashes


def grown(folder: Path) -> Path:
    for name, content in {"one": "1", "sub/two": "22", "sub/deep/three": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


CHANGES: dict[str, Callable[[Path], Any]] = {
    "another byte": lambda folder: (folder / "one").write_text("2"),
    "a file more": lambda folder: (folder / "sub" / "new").write_text(""),
    "a file less": lambda folder: (folder / "sub" / "deep" / "three").unlink(),
    "another name": lambda folder: (folder / "one").rename(folder / "uno"),
    "another folder": lambda folder: (folder / "sub" / "two").rename(folder / "two"),
    "contents swapped": lambda folder: ((folder / "one").write_text("22"), (folder / "sub" / "two").write_text("1")),
    "a link to a file": lambda folder: (folder / "link").symlink_to(folder / "one"),
    "a link to a folder": lambda folder: (folder / "link").symlink_to(folder / "sub"),
    "a file in a linked folder": lambda folder: (folder.parent / "linked" / "new").write_text(""),
    "a byte in a linked folder": lambda folder: (folder.parent / "linked" / "far").write_text("other"),
}
SAME: dict[str, Callable[[Path], Any]] = {
    "an empty folder": lambda folder: (folder / "empty").mkdir(),
    "other times": lambda folder: (folder / "one").touch(),
    "other modes": lambda folder: (folder / "one").chmod(0o600),
    "a link to nowhere": lambda folder: (folder / "link").symlink_to("nowhere"),
    "a link to itself": lambda folder: (folder / "loop").symlink_to("."),
    "a link upwards": lambda folder: (folder / "sub" / "up").symlink_to(".."),
}


@pytest.mark.parametrize("name", [*CHANGES, *SAME])
def test_the_hash_of_a_folder_changes_with_any_name_or_byte_below_it_and_with_nothing_else(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "far").write_text("far")
    folder = grown(tmp_path / "folder")
    (folder / "beside").symlink_to(tmp_path / "linked")
    before = hashes_of({"f": folder})
    {**CHANGES, **SAME}[name](folder)
    assert (hashes_of({"f": folder}) == before) is (name in SAME)


def test_the_hash_of_a_folder_does_not_depend_on_where_it_lies_or_on_the_order_of_writing(tmp_path: Path) -> None:
    first = grown(tmp_path / "x" / "folder")
    second = tmp_path / "other"
    for name in ("sub/deep/three", "one", "sub/two"):
        (second / name).parent.mkdir(parents=True, exist_ok=True)
        (second / name).write_bytes((first / name).read_bytes())
    assert hashes_of({"f": first}) == hashes_of({"f": second})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40))
def test_the_hash_of_a_file_is_that_of_its_bytes_also_through_a_link(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "link").unlink(missing_ok=True)
    (tmp_path / "link").symlink_to("file")
    expected = hashlib.sha256(content).hexdigest()
    named = {"a": tmp_path / "file", "b": tmp_path / "link"}
    assert hashes_of(named) == hashes_of(named, Hashes().of) == dict.fromkeys("ab", expected)


def test_a_file_that_is_gone_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: cannot be read \(No such file or directory\)"):
        hashes_of({"a": tmp_path / "gone"})


# Subjects that failed


@pytest.mark.parametrize(("label", "row"), [("01", "sub-01"), ("sub-01", "sub-01"), ("ä+1", "sub-ä+1")])
def test_a_failure_names_its_subject_once_by_the_same_name(label: str, row: str) -> None:
    found = failure(label, Path("x.nii"), ValueError("odd"))
    assert found == {"participant_id": row, "file": Path("x.nii"), "message": "odd"}


@pytest.mark.parametrize(("failed", "done", "text"), [(1, 0, "1 of 1 subjects"), (2, 5, "2 of 7 subjects")])
def test_a_run_in_which_subjects_failed_ends_with_their_number_the_list_and_the_first(
    failed: int, done: int, text: str
) -> None:
    from interpbench.errors import SubjectsFailed

    rows = [failure(f"0{at}", None, f"why {at}") for at in range(failed)]
    with pytest.raises(SubjectsFailed) as told:
        finish(rows, Path("out/failures.tsv"), done)
    assert str(told.value) == f"{text} failed; out/failures.tsv lists them. The first is sub-00: why 0"


def test_a_run_in_which_nobody_failed_goes_on() -> None:
    assert finish([], Path("failures.tsv"), 3) is None
