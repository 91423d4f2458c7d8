"""Tables as people have them: read rightly, or one line that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench import InputError, read_cohort
from interpbench.cohort.check import check_cohort
from interpbench.cohort.choosing import open_cohort
from interpbench.doubts import AGES, OTHER, SEVERAL

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
        *(
            ({"age": {"Units": unit}}, None)
            for unit in ("yr", "Yrs", "year(s)", "yo", "a", ["years"], "years_old", "1 year")
        ),
        *(({"age": {"Units": unit}}, None) for unit in ("years (1 decimal)", "years, 2 digits", "completed years")),
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
    with pytest.raises(
        InputError, match=f"age is in {unit} according to participants.json, and years are needed"
    ) as told:
        read_cohort(path, need_age=need_age)
    assert "\n" not in str(told.value)


PARTS = [
    "1/12 year",
    "0.1 years",
    "10 yrs",
    "years*12",
    "years / 10",
    "YEARS x 12",
    "log years",
    "log10(years)",
    "half years",
]


@pytest.mark.parametrize("unit", ["fortnights", "lunes", "{0}", "Gestationswochen", *PARTS])
def test_a_unit_that_nobody_knows_is_refused(write, unit: str) -> None:
    with pytest.raises(InputError) as told:
        read_cohort(write(table([36, 41]), about={"age": {"Units": unit}}))
    assert f"participants.json gives the unit of age as {unit!r}: write ages in years" in str(told.value)


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


def test_a_second_table_in_the_folder_is_told_unless_the_table_was_named(write) -> None:
    path = write(table([36, 41]))
    other = write(table([66, 71], ","), name="participants.csv")
    given = {path.parent: [36, 41], path: [36, 41], other: [66, 71]}
    for cohort, ages in given.items():
        read = read_cohort(cohort)
        told = [one.message for one in check_cohort(read, voxels=False, warnings=True) if one.kind == OTHER]
        assert [one.age for one in read.subjects] == ages and len(told) == (cohort == path.parent)
        assert not told or "participants.csv is not read" in told[0]


def test_where_nobody_can_be_used_the_missing_ages_are_no_news(write) -> None:
    found = check_cohort(read_cohort(write(table(["x", "y"]))), voxels=False, warnings=True)
    assert [one.kind for one in found if one.warning] == [] and len(found) == 2


@pytest.mark.parametrize("own", [None, {"age": {"Units": "years"}}])
def test_a_table_beside_anothers_json_in_months_is_told_unless_it_has_its_own(write, own) -> None:
    path = write(table([36, 41]), about={"age": {"Units": "months"}})
    moved = path.rename(path.with_name("children.tsv"))
    if own:
        moved.with_suffix(".json").write_text(json.dumps(own))
    found = [one.message for one in check_cohort(read_cohort(moved), voxels=False, warnings=True) if one.kind == AGES]
    assert len(found) == (not own)
    if found:
        assert "age is in months according to participants.json" in found[0]
        assert "If children.tsv is in years, set this unit in children.json" in found[0]


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


AGELESS = {  # the header's last column, and what is said
    "note": "no column 'age'; its columns are: participant_id, image, note: training on age needs one",
    "age_months": "if 'age_months' holds years, rename it to age",
    "Age_bl": "if 'Age_bl' holds years, rename it to age",
    "scan_age": "if 'scan_age' holds years, rename it to age",
    "AGE": "no usable subject has a value in the column 'age'",
}


@pytest.mark.parametrize("column", AGELESS)
def test_a_table_without_ages_is_told_by_check(write, column: str) -> None:
    path = write(f"participant_id\timage\t{column}\n01\t1.nii.gz\tn/a\n02\t2.nii.gz\t\n")
    found = check_cohort(read_cohort(path, need_age=False), voxels=False, warnings=True)
    (told,) = [one for one in found if one.kind == AGES]
    assert told.warning and AGELESS[column] in told.message


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


LABELS = {  # a label, and how to write it
    "OAS1_0001_MR1": "OAS10001MR1",
    "002_S_0001": "002S0001",
    "sub-sub-01": "remove the other characters: 01",
    "SUB-01": "remove the other characters: 01",
    "1.0": "write 1",
    "A-0001": "A0001",
    "x y": "xy",
    "002_S_0001_ses-2": "several scans of one person are 002S0001+1",
    "01_run-1": "are 01+1, 01+2",
}


@pytest.mark.parametrize("label", LABELS)
def test_a_label_with_signs_says_how_to_write_it(write, label: str) -> None:
    message = read_cohort(write(table([50]).replace("01\t", f"{label}\t"))).problems[0].message
    assert message.endswith(LABELS[label]) or f"{LABELS[label]}, " in message
    assert ("several scans" in message) == ("several scans" in LABELS[label] or "+" in LABELS[label])


def test_a_label_that_comes_twice_says_how_to_write_it(write) -> None:
    cohort = read_cohort(write(table([50, 60]).replace("02\t", "01\t")))
    assert "01+1, 01+2" in cohort.problems[0].message


def test_several_scans_of_one_person_are_told_by_check(write) -> None:
    text = table([50, 60, 70]).replace("01\t", "01+1\t").replace("02\t", "01+2\t")
    found = check_cohort(read_cohort(write(text)), voxels=False, warnings=True)
    assert [one.subject for one in found if one.kind == SEVERAL] == ["sub-01+1", "sub-01+2"]
