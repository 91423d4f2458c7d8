"""Who takes part: recorded splits, and the subjects asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpbench.cohort.choosing import choose, problem_rows
from interpbench.cohort.recorded_splits import known_splits, recorded_splits, write_splits
from interpbench.cohort.subjects import Cohort, Problem, Subject
from interpbench.errors import InputError, SubjectsFailed, UsageError
from interpbench.files.failures import finish


def subject(label: str, age: float | None = 50.0, split: str | None = None) -> Subject:
    return Subject(id=label, image=Path(f"{label}.nii"), age=age, split=split)


def cohort(*subjects: Subject, problems: tuple[Problem, ...] = ()) -> Cohort:
    return Cohort(Path(), Path("participants.tsv"), subjects, problems)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    people = [subject("a", 41.0), subject("b", 42.0), subject("c", 43.0)]
    write_splits(tmp_path, people, {"a": "train", "b": "validation", "c": "test"})
    return tmp_path


def test_a_recorded_split_is_found_again(model: Path) -> None:
    people = cohort(subject("a", 41.0), subject("b", 42.0), subject("c", 43.0))
    assert recorded_splits(people, model) == {"a": "train", "b": "validation", "c": "test"}


def test_who_is_new_to_the_predictor_counts_as_test(model: Path) -> None:
    assert recorded_splits(cohort(subject("a", 41.0), subject("z")), model) == {"a": "train", "z": "test"}


def test_another_person_of_the_same_label_is_new(model: Path) -> None:
    assert recorded_splits(cohort(subject("a", 70.0)), model) == {"a": "test"}


def test_a_subject_of_unknown_age_is_known_by_its_label(model: Path) -> None:
    assert recorded_splits(cohort(subject("a", None)), model) == {"a": "train"}


def test_the_tables_own_split_counts_where_nothing_is_recorded(tmp_path: Path) -> None:
    people = cohort(subject("a", split="train"), subject("b"))
    assert recorded_splits(people, tmp_path) == {"a": "train", "b": "test"}


def test_without_any_record_there_is_no_split(tmp_path: Path) -> None:
    assert recorded_splits(cohort(subject("a")), tmp_path) is None


def test_the_first_folder_that_has_a_record_decides(model: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_splits(other, [subject("a", 41.0)], {"a": "test"})
    assert known_splits(other, model) == {"a": "test"}
    assert known_splits(other / "nowhere", model)["a"] == "train"


def test_a_split_is_chosen_in_the_order_of_labels() -> None:
    people = cohort(subject("c"), subject("a"), subject("b"))
    chosen = choose(people, {"a": "test", "b": "train", "c": "test"}, "test")
    assert [one.id for one in chosen] == ["a", "c"]


def test_without_a_split_everybody_is_chosen() -> None:
    people = cohort(subject("b"), subject("a"))
    assert [one.id for one in choose(people, None, "test")] == ["a", "b"]
    assert [one.id for one in choose(people, {"a": "test", "b": "train"}, None)] == ["a", "b"]


def test_labels_win_over_the_split_and_may_have_their_prefix() -> None:
    people = cohort(subject("a"), subject("b"))
    assert [one.id for one in choose(people, {"a": "train", "b": "train"}, "test", ["sub-b"])] == ["b"]


def test_a_label_of_a_bad_row_is_told_with_what_is_wrong() -> None:
    people = cohort(subject("a"), problems=(Problem("sub-b", 3, None, "no image"),))
    with pytest.raises(UsageError, match="It was excluded: line 3, sub-b: no image"):
        choose(people, None, None, ["b"])


def test_an_unknown_split_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'test'"):
        choose(cohort(subject("a")), {"a": "test"}, "tset")


def test_an_empty_split_is_told() -> None:
    with pytest.raises(InputError, match="the validation split of 1 subjects is empty"):
        choose(cohort(subject("a")), {"a": "test"}, "validation")


def test_bad_rows_of_those_not_asked_for_are_no_failures() -> None:
    people = cohort(subject("a"), problems=(Problem("sub-b", 3, None, "bad"), Problem("sub-c", 4, None, "worse")))
    assert [row["participant_id"] for row in problem_rows(people, ["c"])] == ["sub-b"]


def test_a_run_without_failures_ends_quietly_and_one_with_some_names_the_list() -> None:
    finish([], Path("failures.tsv"), 3)
    with pytest.raises(SubjectsFailed, match=r"1 of 4 subjects failed; failures\.tsv.*sub-b: no image"):
        finish([{"participant_id": "sub-b", "message": "no image"}], Path("failures.tsv"), 3)
