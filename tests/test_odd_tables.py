"""Tables as people have them: read rightly, or one line that says what is wrong; and who is the same person."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench import InputError, read_cohort
from interpbench.cohort import Subject
from interpbench.cohort_check import check_cohort
from interpbench.cohort_split import split_cohort
from interpbench.doubts import AGES, PERSON, SEVERAL, TWICE
from interpbench.labels import person_of
from interpbench.persons import doubts_about_people, doubts_about_splits, scans_of_one, twins
from interpbench.pipeline.selection import open_cohort

BREAKS = {"\x0b": "VT", "\x0c": "FF", "\x1c": "FS", "\x85": "NEL", "\u2028": "LS", "\u2029": "PS"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(text, name=..., about=None)`: a table, and the JSON beside it; images are there and empty."""

    def written(text: str, name: str = "participants.tsv", about: object = None) -> Path:
        for number in range(1, 10):
            (tmp_path / f"{number}.nii.gz").touch()
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        if about is not None:
            words = about if isinstance(about, str) else json.dumps(about)
            (tmp_path / name).with_suffix(".json").write_text(words)
        return tmp_path / name

    return written


def table(ages: list[object], delimiter: str = "\t") -> str:
    rows = [["participant_id", "age", "image"]]
    rows += [[f"0{place}", str(age), f"{place}.nii.gz"] for place, age in enumerate(ages, 1)]
    return "\n".join(delimiter.join(row) for row in rows) + "\n"


@pytest.mark.parametrize("need_age", [True, False])
@pytest.mark.parametrize(
    ("about", "unit"),
    [
        ({"age": {"Units": "months"}}, "months"),
        ({"age": {"Units": "Month"}}, "month"),
        ({"Age": {"units": "weeks"}}, "weeks"),
        ({"age": {"Units": "days"}}, "days"),
        ({"age": {"Description": "age of the child in months"}}, "months"),
        ({"age": {"Units": "years"}}, None),
        ({"age": {"Units": "year", "Description": "at 9 months of the study"}}, None),
        ({"age": {"Description": "age at the first day of scanning, in years"}}, None),
        ({"age": {"Units": ["months"]}}, "months"),
        ({"age": {"Units": {"unit": "months"}}}, "months"),
        *(({"age": {"Units": unit}}, unit) for unit in ("mths", "mon", "mnth", "mo", "m", "d", "w", "wk", "decades")),
        ({"age": {"LongName": "Age in months"}}, "months"),
        ({"age": {"long_name": "Age (months)"}}, "months"),
        ({"age": {"Description": "age_in_months"}}, "months"),
        ({"age": {"Description": "AgeInMonths"}}, "months"),
        ({"age": {"Description": "months of age at the scan"}}, "months"),
        ({"age": {"Description": "age; unit: months"}}, "months"),
        ({"age": {"Description": "Age at scan, days"}}, "days"),
        ({"age": {"Description": "age at the scan 6 months after enrolment"}}, None),
        ({"age": {"Description": "Age at baseline; the follow-up was after 12 months"}}, None),
        ({"age": {"Description": "Age in months; the scan was one year after enrolment"}}, "months"),
        ({"age": {"Units": "months, not years"}}, "months"),
        ({"age": {"Units": "years (months / 12)"}}, None),
        ({"age": {"Description": "age; the follow-up came in 12 months, the next in the months after"}}, None),
        ({"age": {"Description": "children from 6 months of age"}}, None),
        ({"age": {"LongName": "Age", "Units": "n/a"}}, None),
        *(({"age": {"Units": unit}}, None) for unit in ("yr", "Yrs", "year(s)", "yo", "a", ["years"], "years_old")),
        ({"sex": {"Units": "months"}}, None),
        ({"age": "months"}, "months"),
        ([], None),
        ("no JSON at all {", None),
    ],
)
def test_a_unit_beside_the_table_that_is_not_years_is_refused(write, need_age, about, unit) -> None:
    path = write(table([36, 41, 46]), about=about)
    if unit is None:
        assert [one.age for one in read_cohort(path, need_age=need_age).subjects] == [36, 41, 46]
        return
    with pytest.raises(InputError, match=f"age is in {unit}, says participants.json, and years are needed") as told:
        read_cohort(path, need_age=need_age)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("unit", ["fortnights", "lunes", "{0}", "Gestationswochen"])
def test_a_unit_that_nobody_knows_is_refused(write, unit: str) -> None:
    with pytest.raises(InputError) as told:
        read_cohort(write(table([36, 41]), about={"age": {"Units": unit}}))
    assert f"participants.json says the unit of age is {unit!r}: write ages in years" in str(told.value)


@pytest.mark.parametrize(
    "content", [b'{"age": ', '{"age": {"Units": "months"}}'.encode("utf-16"), b"\xff", b"[" * 9999, b""]
)
def test_a_json_beside_the_table_that_cannot_be_read_is_told(write, caplog, content: bytes) -> None:
    path = write(table([36, 41]))
    path.with_suffix(".json").write_bytes(content)
    found = [one for one in check_cohort(read_cohort(path), voxels=False, warnings=True) if one.kind == AGES]
    assert len(found) == 1 and "participants.json cannot be read" in found[0].message and found[0].warning
    assert len(open_cohort(path, need_age=True).subjects) == 2
    assert "participants.json cannot be read" in caplog.text and "\n" not in found[0].message


THOUSANDS = {  # the ages, and those that are read; the others are refused
    "days": (["7,305", "14,610"], []),
    "days, and an age without a comma": (["7,305", 50], [50]),
    "three decimals, for all that one knows": (["44,512", "45,125"], []),
    "another decimal comma": (["44,512", "45,1"], [44.512, 45.1]),
    "below one year": (["0,512", "1,125"], [0.512, 1.125]),
    "no comma": (["44.512", "45.125"], [44.512, 45.125]),
}


@pytest.mark.parametrize("name", THOUSANDS)
def test_a_comma_that_may_divide_thousands_is_asked_about(write, name: str) -> None:
    ages, read = THOUSANDS[name]
    cohort = read_cohort(write(table(ages)))
    assert [one.age for one in cohort.subjects] == read
    assert len(cohort.problems) == len(ages) - len(read)
    for one in cohort.problems:
        assert "may be 7305 or 7.305: write it without a comma" in cohort.problems[0].message or "44,512" in ages
        assert one.message.startswith("age '")


@pytest.mark.parametrize(
    ("ages", "unit"),
    [
        ([240, 480, 960], "months"),
        ([100, 480, 960], "months"),
        (["240,5", "480", "960"], "months"),
        ([7305, 14610, 29220], "days"),
        ([7305, 14610, -999], "days"),
    ],
)
def test_ages_that_no_years_can_be_are_told_once(write, ages, unit) -> None:
    with pytest.raises(InputError, match=f"look like {unit}, and years are needed"):
        read_cohort(write(table(ages)))


@pytest.mark.parametrize("code", [-999, -9, 999, 9999, "NaN", "", "n/a", "."])
def test_a_code_for_a_missing_age_is_never_an_age(write, code) -> None:
    cohort = read_cohort(write(table([50, code, code, code, 60])))
    assert [one.age for one in cohort.subjects] == [50, 60]
    assert len(cohort.problems) + len(cohort.dropped) == 3
    assert all("leave the cell empty" in one.message for one in cohort.problems)


def test_one_age_for_all_is_doubtful(write) -> None:
    path = write(table([50, 50, 50]))
    found = [one for one in check_cohort(read_cohort(path), voxels=False, warnings=True) if one.kind == AGES]
    assert len(found) == 1 and "all 3 ages are 50" in found[0].message and found[0].warning


COMMAS = {  # a row, whether its cells slipped, and what follows in the header
    "a blank last cell": ("01,12,5,M,1.nii.gz,\n", True, ""),
    "a last cell": ("01,12,5,M,1.nii.gz,note\n", True, ""),
    "quoted": ('01,"12,5",M,1.nii.gz,\n', False, ""),
    "no decimal comma": ("01,12.5,M,1.nii.gz,\n", False, ""),
    "blank columns in the header": ("01,12,5,M,1.nii.gz,,,\n", True, ",,"),
    "blank columns and no decimal comma": ("01,12.5,M,1.nii.gz,,,\n", False, ",,"),
}


@pytest.mark.parametrize("name", COMMAS)
def test_a_decimal_comma_among_commas_is_told(write, name: str) -> None:
    row, fault, more = COMMAS[name]
    cohort = read_cohort(write(f"participant_id,age,sex,image,note{more}\n{row}", name="participants.csv"))
    if not fault:
        assert [one.age for one in cohort.subjects] == [12.5] and not cohort.problems
    else:
        assert not cohort.subjects and "cells where the header has 5 columns" in cohort.problems[0].message


def test_blank_cells_too_many_between_tabs_or_semicolons_do_no_harm(write) -> None:
    for name, delimiter in (("participants.tsv", "\t"), ("participants.csv", ";")):
        text = table(["12,5", 60], delimiter).replace(".nii.gz", f".nii.gz{delimiter}{delimiter}")
        assert [one.age for one in read_cohort(write(text, name=name)).subjects] == [12.5, 60]


@pytest.mark.parametrize("mark", BREAKS, ids=BREAKS.get)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_no_other_character_ends_a_line(write, mark: str, end: str) -> None:
    text = f"participant_id\tage\timage\tnote\n01\t50\t1.nii.gz\tone{mark}two\n02\t60\t2.nii.gz\tthree\n"
    cohort = read_cohort(write(text.replace("\n", end)))
    assert [(one.id, one.age, one.line) for one in cohort.subjects] == [("01", 50, 2), ("02", 60, 3)]
    assert cohort.subjects[0].cell("note") == f"one{mark}two" and not cohort.problems


def test_a_quoted_line_break_is_a_blank_still(write) -> None:
    cohort = read_cohort(write('participant_id\tage\timage\tnote\n01\t50\t1.nii.gz\t"one\r\ntwo"\n'))
    assert cohort.subjects[0].cell("note") == "one two"


@pytest.mark.parametrize("label", ["01_ses-02", "01-2", "01.2"])
def test_a_label_with_a_session_says_how_to_write_it(write, label: str) -> None:
    cohort = read_cohort(write(table([50]).replace("01\t", f"{label}\t")))
    assert "several scans of one person are 01+1, 01+2" in cohort.problems[0].message


def test_a_label_that_comes_twice_says_how_to_write_it(write) -> None:
    cohort = read_cohort(write(table([50, 60]).replace("02\t", "01\t")))
    assert "01+1, 01+2" in cohort.problems[0].message


ONE = [("01+1", "01+2"), ("01ses1", "01ses02"), ("01visit1", "01visit2"), ("a1", "A1"), ("1", "001"), ("x01", "X1+b"),
       ("S007SES1", "s7+3")]  # fmt: skip
TWO = [("01", "02"), ("1", "10"), ("10", "100"), ("a1", "b1"), ("sess1", "sess2"), ("ses1", "ses2"), ("1a", "1b"),
       ("+1", "+2"), ("MRscan01", "MRscan02"), ("IXI012HH1211", "IXI012HH1212")]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), ONE)
def test_labels_of_one_person(first: str, second: str) -> None:
    assert person_of(first) == person_of(second)


@pytest.mark.parametrize(("first", "second"), TWO)
def test_labels_of_two_people(first: str, second: str) -> None:
    assert person_of(first) != person_of(second)


def people(labels: list[str], split: dict[str, str] | None = None) -> list[Subject]:
    return [
        Subject(label, Path("none.nii.gz"), age=20.0 + place, split=(split or {}).get(label))
        for place, label in enumerate(labels)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("write_label", ["{0}+{1}", "{0}ses{1}", "{0:03d}+{1}"])
def test_all_scans_of_one_person_go_into_one_split(seed: int, write_label: str) -> None:
    subjects = people([write_label.format(person, scan) for scan in (1, 2, 3) for person in range(40)])
    splits = split_cohort(subjects, seed=seed)
    assert list(splits) == [one.id for one in subjects]
    of_person = {person_of(one.id): set() for one in subjects}
    for label, word in splits.items():
        of_person[person_of(label)].add(word)
    assert len(of_person) == 40 and all(len(words) == 1 for words in of_person.values())
    counts = [sum(words == {word} for words in of_person.values()) for word in ("train", "validation", "test")]
    assert counts == [30, 4, 6]
    assert split_cohort(subjects[::-1], seed=seed) == splits
    assert doubts_about_splits(subjects, splits) == {}


def test_who_has_a_split_in_the_table_takes_the_other_scans_along() -> None:
    subjects = people(["1+1", "1+2", "2+1", "2+2", *map(str, range(10, 40))], {"1+2": "test", "2+1": "validation"})
    splits = split_cohort(subjects)
    assert [splits[one] for one in ("1+1", "1+2", "2+1", "2+2")] == ["test", "test", "validation", "validation"]


def test_a_table_that_divides_a_person_keeps_its_words_and_is_told() -> None:
    subjects = people(["1+1", "1+2", "2", "3"], {"1+1": "train", "1+2": "test", "2": "train", "3": "test"})
    splits = split_cohort(subjects)
    assert splits == {"1+1": "train", "1+2": "test", "2": "train", "3": "test"}
    found = doubts_about_splits(subjects, splits)
    assert set(found) == {"1+1", "1+2"} and all(one[0].kind == PERSON for one in found.values())
    assert "sub-1+2" in found["1+1"][0]


def test_a_scan_of_somebody_who_was_trained_on_is_told(write) -> None:
    subjects = people(["1+2", "5"])
    found = doubts_about_splits(subjects, {"1+1": "train", "1+2": "test", "5": "test"})
    assert set(found) == {"1+2"} and "in the test split" in found["1+2"][0]


@pytest.fixture
def copies(tmp_path: Path) -> list[Subject]:
    """Four images: 1 and 3 hold the same bytes, 2 is as long as they are, and 4 is longer."""
    content = {"1": b"abc", "2": b"abd", "3": b"abc", "4": b"abcd"}
    for label, data in content.items():
        (tmp_path / f"{label}.nii").write_bytes(data)
    return [Subject(label, tmp_path / f"{label}.nii", age=20.0) for label in content]


def test_the_same_bytes_under_two_labels_are_found(copies: list[Subject]) -> None:
    assert [[one.id for one in some] for some in twins(copies)] == [["1", "3"]]
    found = doubts_about_people(copies)
    assert {label: [one.kind for one in some] for label, some in found.items()} == {"1": [TWICE], "3": [TWICE]}
    assert "sub-3" in found["1"][0] and scans_of_one(copies) == []


def test_the_same_bytes_in_two_splits_are_told_and_in_one_are_not(copies: list[Subject]) -> None:
    splits = {"1": "train", "2": "train", "3": "test", "4": "test"}
    assert {label: some[0].kind for label, some in doubts_about_splits(copies, splits).items()} == {
        "1": TWICE, "3": TWICE,
    }  # fmt: skip
    assert doubts_about_splits(copies, dict.fromkeys(splits, "train")) == doubts_about_splits(copies, None) == {}


def test_one_file_that_two_rows_name_is_the_same_image(copies: list[Subject], tmp_path: Path) -> None:
    again = Subject("9", copies[3].image)
    assert [[one.id for one in some] for some in twins([copies[3], again])] == [["4", "9"]]
    shutil.rmtree(tmp_path)
    assert twins(copies) == []  # and why is told when they are read


def test_several_scans_of_one_person_are_told_by_check(write) -> None:
    text = table([50, 60, 70]).replace("01\t", "01+1\t").replace("02\t", "01+2\t")
    found = check_cohort(read_cohort(write(text)), voxels=False, warnings=True)
    assert [one.subject for one in found if one.kind == SEVERAL] == ["sub-01+1", "sub-01+2"]
