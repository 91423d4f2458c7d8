"""What a command reads, by its values; the device and the numbers that it was asked to compute with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench.errors import UsageError
from interpbench.run.asked import AskedSubjects, Compute
from interpbench.run.device import resolve_device
from interpbench.run.inputs import taken_by


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with files and folders to name."""
    monkeypatch.chdir(tmp_path)
    for name in ("file.nii", "4", "1e3", "[x].nii", "data/one.nii", "data/two.nii", "unoise/x", "far/image.nii"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


@pytest.fixture
def taken(here: Path) -> Callable[..., set[str]]:
    """`taken(name=value)`: what of the files there would be refused as an output."""

    def taken(**given: Any) -> set[str]:
        inputs = taken_by(given)
        files = [file for file in sorted(here.rglob("*")) if file.is_file()]
        return {str(file.relative_to(here)) for file in files if inputs.touched(file, folder=False)}

    return taken


OPTIONS: dict[str, tuple[Any, set[str]]] = {
    "a file": ({"file": "file.nii"}, {"file.nii"}),
    "a Path": ({"file": Path("file.nii")}, {"file.nii"}),
    "a file in a list": ({"files": ["nowhere", "file.nii"]}, {"file.nii"}),
    "in JSON": ({"arguments": '{"weights": ["file.nii"]}'}, {"file.nii"}),
    "a name like a list": ({"file": "[x].nii"}, {"[x].nii"}),
    "a number that is a file's name": ({"size": "4", "other": "1e3"}, set()),
    "a folder by a path": ({"folder": "./data"}, {"data/one.nii", "data/two.nii"}),
    "a word that is a folder's name": ({"of": "unoise"}, set()),
    "the folder where one stands": ({"folder": "."}, set()),
    "what is not there": ({"file": "nowhere"}, set()),
    "odd values": ({"a": None, "b": 4, "c": True, "d": "x\0y", "e": "[" * 99_999}, set()),
    "no mapping": ("file.nii", {"file.nii"}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_read_where_they_name_what_is_there(name: str, taken: Callable[..., set[str]]) -> None:
    value, expected = OPTIONS[name]
    assert taken(options=value) == expected


@pytest.mark.parametrize("what", ["predictor", "fitted", "maps", "regions", "truth", "anything"])
def test_every_other_value_is_read_if_it_is_a_path_and_names_a_component_if_it_is_text(
    what: str, taken: Callable[..., set[str]]
) -> None:
    assert taken(**{what: Path("file.nii")}) == {"file.nii"}
    assert taken(**{what: [Path("file.nii"), Path("data"), Path("nowhere")]}) == {
        "file.nii",
        "data/one.nii",
        "data/two.nii",
    }
    assert taken(**{what: "file.nii"}) == taken(**{what: None}) == taken(**{what: Path("nowhere")}) == set()


TABLES: dict[str, tuple[str, set[str]]] = {
    "images": (
        "participant_id\tage\timage\nsub-1\t50\tone.nii\nsub-2\t60\t../file.nii\n",
        {"data/one.nii", "file.nii"},
    ),
    "masks and truths": (
        "participant_id,age,image,mask,truth\n1,50,one.nii,two.nii,../far/image.nii\n",
        {"data/one.nii", "data/two.nii", "far/image.nii"},
    ),
    "columns in capitals": ("Participant_ID\tAge\tImage\n1\t50\tone.nii\n", {"data/one.nii"}),
    "missing cells": ("participant_id\tage\timage\tmask\n1\t50\tn/a\t\n", set()),
    "no table at all": ("\0\1\2", set()),
}


@pytest.mark.parametrize("name", TABLES)
def test_of_a_cohort_its_table_and_all_that_it_names_is_read(
    name: str, here: Path, taken: Callable[..., set[str]]
) -> None:
    content, expected = TABLES[name]
    (here / "data" / "people.tsv").write_text(content)
    assert taken(cohort=Path("data/people.tsv")) == {"data/people.tsv", *expected}


def test_images_by_absolute_paths_are_read_wherever_one_stands(
    here: Path, taken: Callable[..., set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "data" / "people.tsv").write_text(f"participant_id\tage\timage\n1\t50\t{here / 'far' / 'image.nii'}\n")
    monkeypatch.chdir(here / "unoise")
    assert taken(cohort=here / "data" / "people.tsv") == {"data/people.tsv", "far/image.nii"}


def test_a_cohort_given_as_a_folder_is_read_as_a_whole_but_for_derivatives(
    here: Path, taken: Callable[..., set[str]]
) -> None:
    (here / "data" / "participants.tsv").write_text("participant_id\tage\timage\n1\t50\tone.nii\n")
    (here / "data" / "derivatives" / "mine").mkdir(parents=True)
    (here / "data" / "derivatives" / "mine" / "map.nii").write_text("")
    assert taken(cohort=Path("data")) == {"data/one.nii", "data/two.nii", "data/participants.tsv"}
    assert taken(root=Path("data")) == {"data/one.nii", "data/two.nii", "data/participants.tsv"}


@pytest.mark.parametrize(
    ("record", "is_the_tables"),
    [
        ({"age": {"Units": "months"}}, True),
        (dict.fromkeys(("table", "subjects", "problems"), 0), False),
        (dict.fromkeys(("predictor", "unit", "n", "figures", "warnings", "failures"), 0), False),
        (dict.fromkeys(("predictor", "unit", "n"), 0), True),
        ([1, 2], True),
    ],
    ids=["of the table", "of check", "of predict", "of somebody", "a list"],
)
def test_the_json_beside_a_table_is_read_unless_a_command_wrote_it(
    record: Any, is_the_tables: bool, here: Path, taken: Callable[..., set[str]]
) -> None:
    (here / "data" / "people.tsv").write_text("participant_id\tage\timage\n1\t50\tone.nii\n")
    (here / "data" / "people.json").write_text(json.dumps(record))
    assert ("data/people.json" in taken(cohort=Path("data/people.tsv"))) is is_the_tables


def test_a_truth_beside_the_table_is_read(here: Path, taken: Callable[..., set[str]]) -> None:
    (here / "data" / "people.tsv").write_text("participant_id\tage\timage\n1\t50\tone.nii\n")
    (here / "data" / "truth.nii.gz").write_text("")
    assert "data/truth.nii.gz" in taken(cohort=Path("data/people.tsv"))


def test_of_an_earlier_run_what_it_says_that_it_read_is_read_as_well(
    here: Path, taken: Callable[..., set[str]]
) -> None:
    manifest = {"kind": "explain", "interpbench": "1", "options": {"atlas": str(here / "far" / "image.nii")}}
    manifest["command"] = {"cohort": str(here / "data"), "fitted": "unoise"}
    (here / "maps").mkdir()
    (here / "maps" / "manifest.json").write_text(json.dumps(manifest))
    assert taken(maps=[Path("maps")]) == {
        "maps/manifest.json",
        "far/image.nii",
        "data/one.nii",
        "data/two.nii",
        "unoise/x",
    }
    (here / "maps" / "manifest.json").write_text(json.dumps({**manifest, "kind": "fit"}))
    assert taken(maps=[Path("maps")]) == {"maps/manifest.json", "far/image.nii"}


def test_a_file_in_a_runs_folder_protects_that_folder(here: Path, taken: Callable[..., set[str]]) -> None:
    (here / "data" / "manifest.json").write_text(json.dumps({"kind": "aggregate", "interpbench": "1"}))
    assert taken(regions=Path("data/one.nii")) == {"data/one.nii", "data/two.nii", "data/manifest.json"}
    (here / "data" / "manifest.json").write_text(json.dumps({"kind": "something else"}))
    assert taken(regions=Path("data/one.nii")) == {"data/one.nii"}


# Device and numbers


@pytest.mark.parametrize("device", ["", "gpu", "CPU", "meta", "mps", "cpu:x", "cuda:-1", "cuda:99"])
def test_what_is_no_device_of_this_machine_is_refused_in_one_line(device: str) -> None:
    with pytest.raises(UsageError, match="device") as told:
        resolve_device(device)
    assert device in str(told.value) and "\n" not in str(told.value)


def test_a_device_is_the_one_asked_for_and_auto_the_best_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    for there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert resolve_device("auto").type == ("cuda" if there else "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(resolve_device(name)) for name in ("cuda", "cuda:1")] == ["cuda", "cuda:1"]
    with pytest.raises(UsageError, match="is not available on this machine with 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("given", "message"),
    [({"batch_size": 0}, "batch_size must be at least 1, got 0"), ({"ahead": -1}, "ahead must be at least 0, got -1")],
)
def test_numbers_below_the_least_are_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Compute.on("cpu", **given)
    assert Compute.on("cpu", 1, 0) == Compute(device=torch.device("cpu"), batch_size=1, ahead=0)


@pytest.mark.parametrize(
    ("labels", "shard", "some"),
    [(None, None, False), ([], None, False), (["1"], None, True), (None, "0/1", False), (None, "1/3", True)],
)
def test_a_run_is_about_some_where_labels_or_a_share_were_given(
    labels: list[str] | None, shard: str | None, some: bool
) -> None:
    assert AskedSubjects.of("test", labels, shard).some is some


def test_no_cohort_is_read_from_a_folder_that_is_gone(taken: Callable[..., set[str]]) -> None:
    assert taken(cohort=Path("nowhere")) == set()
    assert not os.path.lexists("nowhere")
