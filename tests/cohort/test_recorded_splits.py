"""Splits come back as they were written, for subjects of this cohort and of no other; and who is one person."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpbench.cohort.labels import person_of
from interpbench.cohort.persons import doubts_about_splits, scans_of_one, twins
from interpbench.cohort.recorded_splits import all_splits, known_splits, recorded_splits, write_splits
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import SPLITS, Cohort, Subject
from interpbench.doubts import PERSON
from interpbench.errors import InputError

labels = st.from_regex(r"[0-9A-Za-z+]{1,6}", fullmatch=True)
ages = st.one_of(st.none(), st.floats(0.01, 120))
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cohort(*subjects: Subject) -> Cohort:
    return Cohort(Path(), Path("participants.tsv"), subjects)


def subject(label: str, age: float | None = 50.0, split: str | None = None) -> Subject:
    return Subject(label, Path(f"{label}.nii"), age, split=split)


@often
@given(people=st.dictionaries(labels, st.tuples(ages, st.sampled_from(SPLITS)), min_size=1, max_size=6))
def test_splits_come_back_as_they_were_written(people: dict[str, tuple[float | None, str]], tmp_path: Path) -> None:
    subjects = [subject(label, age) for label, (age, _) in people.items()]
    splits = {label: split for label, (_, split) in people.items()}
    write_splits(tmp_path, subjects, splits)
    assert known_splits(tmp_path) == recorded_splits(cohort(*subjects), tmp_path) == splits


@pytest.mark.parametrize(
    ("age", "other", "same"),
    [
        (50.0, 50.0, True),
        (50.0, 50.0009, True),
        (50.0, 50.0011, False),
        (50.0, 49.0, False),
        (None, 49.0, True),
        (50.0, None, True),
        (None, None, True),
    ],
)
def test_a_subject_is_known_by_label_and_age_as_far_as_that_is_known(
    age: float | None, other: float | None, same: bool, tmp_path: Path
) -> None:
    write_splits(tmp_path, [subject("a", age)], {"a": "train"})
    assert recorded_splits(cohort(subject("a", other)), tmp_path) == {"a": "train" if same else "test"}
    assert recorded_splits(cohort(subject("a", other, "validation")), tmp_path) == {
        "a": "train" if same else "validation"
    }


def test_the_first_folder_with_a_table_decides_and_all_splits_name_those_of_others_too(tmp_path: Path) -> None:
    for name, split in {"one": "train", "two": "validation"}.items():
        (tmp_path / name).mkdir()
        write_splits(tmp_path / name, [subject("a"), subject(name)], {"a": split, name: split})
    folders = [tmp_path / "nowhere", tmp_path / "two", tmp_path / "one"]
    assert recorded_splits(cohort(subject("a"), subject("z")), *folders) == {"a": "validation", "z": "test"}
    assert all_splits(cohort(subject("z")), *folders) == {"a": "validation", "two": "validation", "z": "test"}
    assert all_splits(cohort(subject("z"))) == known_splits() == {}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("n/a\t50\ttrain", 3),
        ("sub-b\tfifty\ttrain", 3),
        ("sub-b\t50\tlearning", 3),
        ("sub-b\t50\tn/a", 3),
        ("sub-b\t50", 3),
        ("sub-b\t50\tTrain", 3),
    ],
    ids=["no label", "no age", "no split", "a missing split", "a cell too few", "in capitals"],
)
def test_a_table_that_is_none_is_refused_with_its_line(row: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "split.tsv").write_text(f"participant_id\tage\tsplit\nsub-a\t50\ttrain\n{row}\n")
    with pytest.raises(InputError, match=rf"split\.tsv: line {line} is not a row of participant_id, age and split"):
        known_splits(tmp_path)


def test_a_table_without_sub_before_its_labels_and_with_more_columns_is_read(tmp_path: Path) -> None:
    (tmp_path / "split.tsv").write_text("split,participant_id,site\ntest,sub-a,x\ntrain,b,y\n")
    assert known_splits(tmp_path) == {"a": "test", "b": "train"}


# Persons


@often
@given(
    found=st.lists(st.tuples(labels, ages), min_size=1, max_size=25, unique_by=lambda one: one[0]),
    seed=st.integers(0, 9),
)
def test_no_person_is_ever_in_two_splits_and_nobody_is_left_out(
    found: list[tuple[str, float | None]], seed: int
) -> None:
    subjects = [subject(*one) for one in found]
    splits = split_cohort(subjects, seed=seed)
    assert list(splits) == [one.id for one in subjects]
    for one, other in itertools.combinations(subjects, 2):
        assert person_of(one.id) != person_of(other.id) or splits[one.id] == splits[other.id]
    told = doubts_about_splits(subjects, splits)
    assert not any("is the same person by the label" in doubt for some in told.values() for doubt in some)
    assert split_cohort(subjects[::-1], seed=seed) == splits


@often
@given(st.lists(labels, max_size=12, unique=True))
def test_scans_of_one_are_all_who_share_a_person_once_each(found: list[str]) -> None:
    groups = scans_of_one([subject(label) for label in found])
    together = [one.id for some in groups for one in some]
    counts = [person_of(label) for label in found]
    assert sorted(together) == sorted(label for label in found if counts.count(person_of(label)) > 1)
    assert all(len({person_of(one.id) for one in some}) == 1 for some in groups)
    assert len({person_of(some[0].id) for some in groups}) == len(groups)


@pytest.mark.parametrize("kind", [list, tuple, iter], ids=["a list", "a tuple", "an iterator"])
def test_any_iterable_of_subjects_is_gone_through_once(kind: Callable[..., object], tmp_path: Path) -> None:
    for name, content in {"a+1": "same", "a+2": "same", "b": "diff", "c": "longer"}.items():
        (tmp_path / f"{name}.nii").write_text(content)
    people = [Subject(name, tmp_path / f"{name}.nii") for name in ("a+1", "b", "a+2", "c", "gone")]
    assert [[one.id for one in some] for some in scans_of_one(kind(people))] == [["a+1", "a+2"]]
    assert [[one.id for one in some] for some in twins(kind(people))] == [["a+1", "a+2"]]


def test_one_person_in_two_splits_is_told_from_both_sides_and_of_strangers_too() -> None:
    subjects = [subject("a+1"), subject("a+2"), subject("b")]
    splits = {"a+1": "train", "a+2": "test", "b": "test"}
    found = doubts_about_splits(subjects, splits)
    assert {label: [one.kind for one in some] for label, some in found.items()} == {"a+1": [PERSON], "a+2": [PERSON]}
    assert found["a+1"] == ["in the train split, but sub-a+2 in another split is the same person by the label"]
    assert list(doubts_about_splits([subject("a+2")], splits)) == ["a+2"]
    assert doubts_about_splits(subjects, None) == doubts_about_splits(subjects, {}) == {}


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.9, 0.2, 0.1), (-0.1, 0.6, 0.5), (0.5, 0.5, 0.5, -0.5)])
def test_fractions_that_do_not_add_up_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="three numbers that add up to 1"):
        split_cohort([subject("a")], fractions=fractions)  # type: ignore[arg-type]


@pytest.mark.parametrize("fractions", [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.2, 0.2), (0.75, 0.10, 0.15)])
@pytest.mark.parametrize("count", [1, 9, 40, 100])
def test_each_split_has_its_share_to_within_one_and_the_whole_range_of_ages(
    fractions: tuple[float, float, float], count: int
) -> None:
    subjects = [subject(f"x{at:03}", 20.0 + at) for at in range(count)]
    splits = split_cohort(subjects, fractions=fractions, seed=3)
    for split, share in zip(SPLITS, fractions, strict=True):
        own = [one.number("age") for one in subjects if splits[one.id] == split]
        assert abs(len(own) - share * count) <= 1
        if len(own) >= 15:
            assert abs(math.fsum(own) / len(own) - (20 + (count - 1) / 2)) < 0.1 * count
