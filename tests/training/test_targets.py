"""What a column holds, numbers or classes, and what is refused before anything is read."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench.errors import InputError, UsageError
from interpbench.training.targets import Target, open_target

Write = Callable[[list[str]], Path]


@pytest.fixture
def table(tmp_path: Path) -> Write:
    """A table with one further column, `What`; its images need not be images."""

    def write(cells: list[str], age: str = "50") -> Path:
        (tmp_path / "a.nii.gz").touch()
        rows = [f"{number:02d}\t{age}\tF\ta.nii.gz\t{cell}" for number, cell in enumerate(cells)]
        (tmp_path / "participants.tsv").write_text("\n".join(["participant_id\tage\tsex\timage\tWhat", *rows]) + "\n")
        return tmp_path

    return write


def test_age_is_in_years_and_who_has_none_is_dropped(table: Write) -> None:
    assert open_target(table(["x"]), "age", None)[1] == Target("age", "years")
    with pytest.raises(InputError, match="no subject can be used"):
        open_target(table(["x"], age="n/a"), "Age", "years")
    with pytest.raises(UsageError, match="the unit of age is years, got 'months'"):
        open_target(table(["x"]), "age", "months")


def test_numbers_are_a_number_in_the_unit_that_was_given(table: Write) -> None:
    people, target = open_target(table(["21.5", "30,25", "18"]), "WHAT", "kg/m2")
    assert target == Target("what", "kg/m2")
    assert [target.of(subject) for subject in people.subjects] == [21.5, 30.25, 18.0]
    assert open_target(table(["1", "2", "3"]), "what", None)[1].unit == "units of what"


def test_words_are_classes_in_sorted_order_and_their_index_is_the_target(table: Write) -> None:
    people, target = open_target(table(["child"] * 6 + ["adult"] * 5), "what", None)
    assert target == Target("what", "logit", ("adult", "child"))
    assert [target.of(subject) for subject in people.subjects] == [1.0] * 6 + [0.0] * 5


def test_ages_are_not_needed_for_another_column(table: Write) -> None:
    people, _ = open_target(table(["a"] * 5 + ["b"] * 5, age="n/a"), "what", None)
    assert len(people.subjects) == 10


def test_who_has_no_value_is_dropped_and_named(table: Write, caplog: pytest.LogCaptureFixture) -> None:
    people, target = open_target(table(["1", "n/a", "3", ""]), "what", "mm")
    assert people.dropped == ("01", "03") and [one.id for one in people.subjects] == ["00", "02"]
    assert "2 subjects excluded without a value in column 'what': sub-01, sub-03" in caplog.text
    assert math.isnan(target.of(people.subjects[0].__class__("x", Path("a.nii.gz"))))


def test_two_numbers_are_a_number_and_it_is_told(table: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="interpbench"):
        assert open_target(table(["0"] * 5 + ["1"] * 5), "what", "points")[1].classes == ()
    assert "'what' has two different numbers only, and is predicted as a number: use words for classes" in caplog.text


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "high"], r"contains words and numbers \('high' in line 4, '1' in line 2\)"),
        (["child"] * 9, "all subjects have 'child' in column 'what': there is nothing to predict"),
        (["child"] * 9 + ["adult"] * 4, "class 'adult' of column 'what' has 4 subjects, and each of 2 classes needs"),
        (["child"] * 9 + ["adult"], "class 'adult' of column 'what' has 1 subject, and"),
        (["n/a", ""], "no subject has a value in column 'what'"),
    ],
)
def test_a_column_that_cannot_be_learned_is_told(table: Write, cells: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_target(table(cells), "what", None)


def test_a_column_that_is_not_there_is_told_with_the_nearest(table: Write) -> None:
    with pytest.raises(InputError, match=r"no column 'whta'. Did you mean 'what'\? Its columns are: participant_id"):
        open_target(table(["1"]), "whta", None)


@pytest.mark.parametrize("column", ["image", "split", "participant_id"])
def test_a_column_about_files_is_no_target(table: Write, column: str) -> None:
    with pytest.raises(UsageError, match=f"column '{column}' identifies a subject or an image"):
        open_target(table(["1"]), column, None)


def test_classes_have_no_unit(table: Write) -> None:
    with pytest.raises(UsageError, match="contains classes, which have no unit: omit 'years'"):
        open_target(table(["a"] * 5 + ["b"] * 5), "what", "years")


def test_the_sex_is_a_column_like_another(table: Write) -> None:
    with pytest.raises(InputError, match="all subjects have 'F' in column 'sex'"):
        open_target(table(["1"]), "Sex", None)
