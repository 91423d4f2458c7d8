"""Who is the same person, as the table or the labels tell, and which images are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interpbench.cohort.labels import person_of
from interpbench.cohort.persons import doubts_about_identity, doubts_about_splits, scans_of_one, twins
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import Subject
from interpbench.doubts import PERSON, SEVERAL, TWICE

ONE = [
    ("01+1", "01+2"),
    ("01ses1", "01ses02"),
    ("01visit1", "01visit2"),
    ("a1", "A1"),
    ("1", "001"),
    ("x01", "X1+b"),
    ("S007SES1", "s7+3"),
]
TWO = [
    ("01", "02"),
    ("1", "10"),
    ("10", "100"),
    ("a1", "b1"),
    ("sess1", "sess2"),
    ("ses1", "ses2"),
    ("1a", "1b"),
    ("+1", "+2"),
    ("MRscan01", "MRscan02"),
    ("IXI012HH1211", "IXI012HH1212"),
]


@pytest.mark.parametrize(("first", "second"), ONE)
def test_labels_of_one_person(first: str, second: str) -> None:
    assert person_of(first) == person_of(second)


@pytest.mark.parametrize(("first", "second"), TWO)
def test_labels_of_two_people(first: str, second: str) -> None:
    assert person_of(first) != person_of(second)


SUFFIXES = [
    ("m12", "m24"),
    ("bl", "fu"),
    ("bl", "fu2"),
    ("baseline", "followup"),
    ("sesbaseline", "sesfollowup"),
    ("v1", "v2"),
    ("T1", "T2"),
    ("tp1", "tp2"),
    ("wave1", "wave2"),
    ("scan1", "scan2"),
    ("run1", "run2"),
    ("visitA", "visitB"),
    ("a", "b"),
    ("y1", "y3"),
    ("", "fu"),
    ("MR1", "MR2"),
    ("pre", "post"),
    ("test", "retest"),
    ("scan", "rescan"),
    ("c", "d"),
    ("s1", "s2"),
    ("W1", "W2"),
    ("20190131", "20201224"),
    ("", "20201224"),
    ("first", "second"),
]


@pytest.mark.parametrize(("first", "second"), SUFFIXES)
@pytest.mark.parametrize("stem", ["01", "S1"])
def test_labels_that_may_be_of_one_person_are_doubtful_and_not_regrouped(stem: str, first: str, second: str) -> None:
    subjects = people([f"{stem}{one}{which}" for one in (1, 2, 3) for which in (first, second)] + ["77", "88"])
    found = doubts_about_identity(subjects)
    assert len(found) == 6 and all([one.kind for one in some] == [SEVERAL] for some in found.values())
    one, other = f"{stem}1{first}", f"{stem}1{second}"
    told = f"sub-{one} and sub-{other} may be two scans of one person: write {stem}1{first and '+'}{first} and"
    assert found[one] == found[other] == [f"{told} {stem}1+{second} so that they stay together"]
    assert scans_of_one(subjects) == []
    who = [Subject(one.id, one.image, cells={"person": f"p{place}"}) for place, one in enumerate(subjects)]
    assert doubts_about_identity(who) == {}  # the table says that they are not


def test_labels_that_may_be_of_one_person_are_told_where_they_lie_in_two_splits() -> None:
    subjects = people(["01m12", "01m24", "02m12", "02m24"])
    splits = {"01m12": "train", "01m24": "test", "02m12": "train", "02m24": "train"}
    found = doubts_about_splits(subjects, splits)
    assert {label: [one.kind for one in some] for label, some in found.items()} == {
        "01m12": [PERSON],
        "01m24": [PERSON],
    }
    assert "in the train split; sub-01m24 in another split may be the same person" in found["01m12"][0]
    assert "write 01+m12 and 01+m24" in found["01m12"][0]
    assert list(doubts_about_splits(subjects[1:2], splits)) == ["01m24"]  # the others were trained on


def test_a_session_of_letters_is_doubtful_too() -> None:
    assert len(doubts_about_identity(people(["CAMAses1", "CAMAses2", "CAMBses1", "CAMBses2"]))) == 4


NO_PAIRS = {
    "a few of many": ["01m12", "01m24", "02m12", "02m24", *map(str, range(10, 20))],
    "one pair": ["01bl", "01fu"],
    "numbered labels": [f"MRscan{one:02d}" for one in range(8)],
    "groups": [f"{group}m{one}" for group in ("CA", "CO") for one in range(20)],
    "one scan each": [f"{one}bl" for one in range(10)],
    "plain numbers": [f"{one:04d}" for one in range(20)],
}


@pytest.mark.parametrize("name", NO_PAIRS)
def test_labels_that_are_merely_alike_raise_no_doubt(name: str) -> None:
    assert doubts_about_identity(people(NO_PAIRS[name])) == {}


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


def test_a_scan_of_somebody_who_was_trained_on_is_told() -> None:
    subjects = people(["1+2", "5"])
    found = doubts_about_splits(subjects, {"1+1": "train", "1+2": "test", "5": "test"})
    assert set(found) == {"1+2"} and "in the test split" in found["1+2"][0]


PERSONS = [  # a column, the persons of three scans, and which of the scans are of one person
    ("person", ["p1", "p1", "p2"], [["a1", "b1"]]),
    ("person_id", ["sub-7", "p2", "7"], [["a1", "c1"]]),
    ("subject", ["P1", "p01", "p2"], [["a1", "b1"]]),
    ("subject_id", ["p1", "", "B1"], [["b1", "c1"]]),  # an empty cell: the label says who it is
    ("person", ["p1", "p2", "p3"], []),
    ("other", ["p1", "p1", "p2"], []),
]


@pytest.mark.parametrize(("column", "persons", "together"), PERSONS)
def test_a_column_of_the_table_says_whose_scans_they_are(column: str, persons: list[str], together: object) -> None:
    scans = [
        Subject(label, Path("none.nii.gz"), age=50.0, cells={column: person} if person else {})
        for label, person in zip(["a1", "b1", "c1"], persons, strict=True)
    ]
    assert [[one.id for one in some] for some in scans_of_one(scans)] == together
    found = doubts_about_identity(scans)
    assert sorted(found) == sorted(label for some in together for label in some)
    assert all([one.kind for one in some] == [SEVERAL] for some in found.values())
    apart = doubts_about_splits(scans, {"a1": "train", "b1": "test", "c1": "validation"})
    assert sorted(apart) == sorted(found) and all([one.kind for one in some] == [PERSON] for some in apart.values())


@pytest.mark.parametrize("seed", range(3))
def test_scans_of_a_person_whom_the_table_names_go_into_one_split(seed: int) -> None:
    subjects = [
        Subject(f"{scan}x{who}", Path("none.nii.gz"), age=20.0 + who + scan, cells={"subject_id": f"P{who}"})
        for scan in (1, 2)
        for who in range(40)
    ]
    splits = split_cohort(subjects, seed=seed)
    assert all(splits[f"1x{who}"] == splits[f"2x{who}"] for who in range(40))
    assert sorted(splits.values()) == ["test"] * 12 + ["train"] * 60 + ["validation"] * 8
    assert doubts_about_splits(subjects, splits) == {}


def test_labels_of_one_person_are_two_where_the_table_says_so() -> None:
    subjects = [Subject(label, Path("none.nii.gz"), cells={"person": label}) for label in ("01a", "01b")]
    subjects += [Subject(f"02+{one}", Path("none.nii.gz"), cells={"person": f"q{one}"}) for one in (1, 2)]
    assert scans_of_one(subjects) == [] and doubts_about_identity(subjects) == {}


@pytest.fixture
def copies(tmp_path: Path) -> list[Subject]:
    """Four images: 1 and 3 hold the same bytes, 2 is as long as they are, and 4 is longer."""
    content = {"1": b"abc", "2": b"abd", "3": b"abc", "4": b"abcd"}
    for label, data in content.items():
        (tmp_path / f"{label}.nii").write_bytes(data)
    return [Subject(label, tmp_path / f"{label}.nii", age=20.0) for label in content]


def test_the_same_bytes_under_two_labels_are_found(copies: list[Subject]) -> None:
    assert [[one.id for one in some] for some in twins(copies)] == [["1", "3"]]
    found = doubts_about_identity(copies)
    assert {label: [one.kind for one in some] for label, some in found.items()} == {"1": [TWICE], "3": [TWICE]}
    assert "sub-3" in found["1"][0] and scans_of_one(copies) == []


def test_the_same_bytes_in_two_splits_are_told_and_in_one_are_not(copies: list[Subject]) -> None:
    splits = {"1": "train", "2": "train", "3": "test", "4": "test"}
    assert {label: some[0].kind for label, some in doubts_about_splits(copies, splits).items()} == {
        "1": TWICE,
        "3": TWICE,
    }
    assert doubts_about_splits(copies, dict.fromkeys(splits, "train")) == doubts_about_splits(copies, None) == {}


def test_one_file_that_two_rows_name_is_the_same_image(copies: list[Subject], tmp_path: Path) -> None:
    again = Subject("9", copies[3].image)
    assert [[one.id for one in some] for some in twins([copies[3], again])] == [["4", "9"]]
    shutil.rmtree(tmp_path)
    assert twins(copies) == []  # and why is told when they are read
