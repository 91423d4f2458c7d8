"""A cohort in memory is read as the table would be that holds the same."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interpbench import Cohort, Subject, predict, read_cohort
from interpbench.cohort.in_memory import table_on_disk
from interpbench.errors import ConflictError, InputError, InterpbenchError, UsageError


@pytest.fixture
def there(make_toy_cohort, tmp_path: Path) -> Cohort:
    """Four subjects on disk."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    return read_cohort(make_toy_cohort(folder, 4))


def frame_of(cohort: Cohort) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{one.id}" for one in cohort.subjects],
            "age": [one.age for one in cohort.subjects],
            "image": [one.image for one in cohort.subjects],
        }
    )


FORMS = {
    "a DataFrame": frame_of,
    "rows": lambda cohort: frame_of(cohort).to_dict(orient="records"),
    "subjects": lambda cohort: list(cohort.subjects),
    "a cohort": lambda cohort: cohort,
    "a tuple of text": lambda cohort: tuple(
        {"participant_id": one.id, "age": str(one.age), "image": str(one.image)} for one in cohort.subjects
    ),
}


def who(cohort: Cohort) -> list[tuple[Any, ...]]:
    return [(one.id, one.age, one.image.resolve()) for one in cohort.subjects]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_subjects(there: Cohort, tmp_path: Path, form: str) -> None:
    path = table_on_disk(FORMS[form](there), tmp_path / "maps")
    assert path == tmp_path / "maps.participants.tsv"
    found = read_cohort(path)
    assert who(found) == who(there)
    assert not found.problems
    assert not (tmp_path / "maps").exists()


def test_a_folder_or_table_on_disk_stays_what_it_is(there: Cohort, tmp_path: Path) -> None:
    assert table_on_disk(str(there.root), tmp_path / "maps") == there.root
    assert table_on_disk(there.table, tmp_path / "maps") == there.table
    assert not (tmp_path / "maps.participants.tsv").exists()


def test_a_list_of_images_takes_labels_from_their_names(there: Cohort, tmp_path: Path) -> None:
    names = ["sub-01_T1w.nii.gz", "sub-02/anat/T1w.nii.gz", "IXI_003-HH.nii.gz"]
    for name, subject in zip(names, there.subjects, strict=False):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(subject.image, tmp_path / name)
    found = read_cohort(table_on_disk([tmp_path / name for name in names], tmp_path / "maps"), need_age=False)
    assert [one.id for one in found.subjects] == ["01", "02", "IXI003HH"]
    assert [one.age for one in found.subjects] == [None] * 3


def test_files_are_relative_to_the_working_folder(there: Cohort, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(there.root)
    rows = [{"participant_id": "00", "age": 50, "image": "00.nii.gz", "mask": None}]
    (subject,) = read_cohort(table_on_disk(rows, tmp_path / "deep" / "maps")).subjects
    assert subject.image == there.root / "00.nii.gz"
    assert subject.mask is None


def test_further_columns_and_missing_cells_are_kept(there: Cohort, tmp_path: Path) -> None:
    frame = frame_of(there).assign(Score=[1.5, np.nan, pd.NA, 2], site=["a b", None, "c", ""], split="test")
    found = read_cohort(table_on_disk(frame, tmp_path / "maps"))
    assert [one.number("score") for one in found.subjects] == pytest.approx([1.5, np.nan, np.nan, 2], nan_ok=True)
    assert [one.cell("site") for one in found.subjects] == ["a b", None, "c", None]
    assert {one.split for one in found.subjects} == {"test"}


ODD = {
    "an age of infinity is none": ("age", np.inf, None),
    "numbers of numpy": ("score", np.float32(-1.5), "-1.5"),
    "whole numbers of numpy": ("score", np.int64(-3), "-3"),
    "a number of torch": ("score", torch.tensor(2.5), "2.5"),
    "a number as text": ("score", "-1.5", "-1.5"),
    "yes or no": ("score", np.bool_(True), "true"),
    "what a spreadsheet would run": ("score", "=1+1", "=1+1"),
    "quotes": ("score", '"a" b', '"a" b'),
    "a quote that is not closed": ("score", '"a', '"a'),
    "tabs, commas and blanks": ("score", "a\tb,c;d  e", "a\tb,c;d  e"),
    "a category": ("score", pd.Categorical(["x"])[0], "x"),
    "a date": ("score", pd.Timestamp("2020-01-02"), "2020-01-02 00:00:00"),
    "no date": ("score", pd.NaT, None),
    "an array": ("score", np.array([1, 2]), "[1 2]"),
    "no mask": ("mask", "", None),
    "no mask in a table's words": ("mask", "n/a", None),
}


@pytest.mark.parametrize("what", ODD)
def test_a_cell_is_read_as_it_was(there: Cohort, tmp_path: Path, what: str) -> None:
    name, value, expected = ODD[what]
    rows = [{"participant_id": one.id, "age": 50, "image": one.image, name: value} for one in there.subjects]
    found = read_cohort(table_on_disk(rows, tmp_path / "maps"), need_age=False)
    if name == "age":
        assert not found.subjects
        assert all("inf" in problem.message for problem in found.problems)
    else:
        assert [getattr(one, name, one.cell(name)) for one in found.subjects] == [expected] * 4


def test_a_name_keeps_its_commas_and_a_file_its_blanks(there: Cohort, tmp_path: Path) -> None:
    folder = tmp_path / "two  blanks; and,a\ttab"
    folder.mkdir()
    os.link(there.subjects[0].image, folder / "00.nii.gz")
    rows = [{"participant_id": "00", "image": folder / "00.nii.gz", "volume, left; right; both": 1, "a, b, c, d": 2}]
    (subject,) = read_cohort(table_on_disk(rows, tmp_path / "maps"), need_age=False).subjects
    assert subject.image == folder / "00.nii.gz"
    assert (subject.cell("volume, left; right; both"), subject.cell("a, b, c, d")) == ("1", "2")


def test_an_index_with_a_name_is_a_column(there: Cohort, tmp_path: Path) -> None:
    plain = table_on_disk(frame_of(there), tmp_path / "maps").read_text()
    assert table_on_disk(frame_of(there).set_index("participant_id"), tmp_path / "maps").read_text() == plain
    assert table_on_disk(frame_of(there).set_index("participant_id", drop=False), tmp_path / "maps").is_file()


def test_a_subject_brings_all_that_it_has(there: Cohort, tmp_path: Path) -> None:
    given = replace(
        there.subjects[0],
        sex="F",
        split="train",
        mask=there.subjects[1].image,
        truth=there.subjects[2].image,
        distractors=there.subjects[1].image,
        labels=there.subjects[2].image,
        cells={"site": "x"},
    )
    (found,) = read_cohort(table_on_disk([given], tmp_path / "maps")).subjects
    assert (found.sex, found.split, found.cell("site")) == ("F", "train", "x")
    assert found.files == given.files and len(found.files) == 5
    assert isinstance(found, Subject)


def test_the_same_cohort_again_is_no_conflict_and_another_one_is(there: Cohort, tmp_path: Path) -> None:
    path = table_on_disk(frame_of(there), tmp_path / "maps")
    before = path.read_bytes()
    assert table_on_disk(list(there.subjects), tmp_path / "other") != path
    assert table_on_disk(frame_of(there), tmp_path / "maps") == path
    with pytest.raises(ConflictError, match=r"maps\.participants\.tsv: holds another cohort"):
        table_on_disk(frame_of(there)[:2], tmp_path / "maps")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.glob("maps*")) == ["maps.participants.tsv"]


@pytest.mark.parametrize(
    ("cohort", "error", "message"),
    [
        ([], InputError, "the cohort in memory has no rows"),
        (pd.DataFrame(), InputError, "has no rows"),
        (7, UsageError, "a cohort is a folder, a table, a DataFrame, or a list of .*, got int"),
        ([1, 2], UsageError, "a row of a cohort is an image, a subject or a mapping, got int"),
        (pd.Series(["a.nii"]), UsageError, "got Series"),
        ([{"participant_id": "01", "note": "a\nb"}], InputError, r"note 'a\\nb' cannot stand in a table"),
        ([{"participant_id": "01", "note": "a\0b"}], InputError, r"note 'a\\x00b' cannot stand in a table"),
        ([{"participant_id": "01", "note": "\udcff"}], InputError, "cannot stand in a table: it is no UTF-8 text"),
        ([{"participant_id": "01", "two\nlines": 1}], InputError, r"the name of a column, 'two\\nlines' cannot stand"),
        ([{"participant_id": "01", " ": 1}], InputError, "a column has no name"),
        ([{"participant_id": "01", "image": 3}], InputError, r"image must be the path of a file, got 3 \(int\)"),
        ([{"participant_id": "01", "mask": b"a.nii"}], InputError, r"mask must be the path of a file, .*\(bytes\)"),
        ([{"participant_id": "01", "image": ["a", "b"]}], InputError, r"image must be the path of a file, .*\(list\)"),
        (pd.DataFrame([["01", 1, 2]], columns=["participant_id", "age", "age"]), InputError, "two columns .*'age'"),
    ],
)
def test_what_is_no_cohort_is_refused_in_one_line(
    tmp_path: Path, cohort: Any, error: type[InterpbenchError], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        table_on_disk(cohort, tmp_path / "maps")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_step_takes_a_frame_and_goes_on_with_it(there: Cohort, toy_model: Path, tmp_path: Path) -> None:
    written = predict(frame_of(there), toy_model, tmp_path / "ages.tsv")
    expected = predict(there.root, toy_model, tmp_path / "expected.tsv")
    assert written["figures"] == expected["figures"]
    assert (tmp_path / "ages.tsv").read_bytes() == (tmp_path / "expected.tsv").read_bytes()
    assert (tmp_path / "ages.tsv.participants.tsv").is_file()
    assert predict(frame_of(there), toy_model, tmp_path / "ages.tsv")["identity"] == written["identity"]


def test_where_the_output_may_not_be_written_no_table_is_written_either(
    there: Cohort, toy_model: Path, tmp_path: Path
) -> None:
    before = sorted(toy_model.rglob("*"))
    with pytest.raises(UsageError, match="which the command reads"):
        predict(frame_of(there), toy_model, toy_model / "ages.tsv")
    assert sorted(toy_model.rglob("*")) == before
