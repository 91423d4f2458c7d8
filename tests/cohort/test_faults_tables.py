"""What may stand in a cohort's table: each bad row is listed with its line, and a bad table is refused in one line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpbench import read_cohort

Run = Callable[..., tuple[int, str, str]]

HEADER = "participant_id\tage\timage"
ROWS: dict[str, tuple[str, str]] = {  # the row, and what is said of it
    "an age in words": ("sub-a1\tforty\tx.nii.gz", "age 'forty' is not a number of years"),
    "an age below 0": ("sub-a2\t-3\tx.nii.gz", "age must be above 0"),
    "an age of 0": ("sub-a3\t0\tx.nii.gz", "age must be above 0"),
    "an age of 250": ("sub-a4\t250\tx.nii.gz", "at most 120 years, got 250"),
    "an age that is infinite": ("sub-a5\tinf\tx.nii.gz", "age 'inf' is not a number of years"),
    "89+": ("sub-a6\t89+\tx.nii.gz", "age '89+' is not a number of years"),
    "an age in months": ("sub-a7\t600 months\tx.nii.gz", "age '600 months' is not a number of years"),
    "an age in weeks": ("sub-a8\t40w\tx.nii.gz", "age '40w' is not a number of years"),
    "an age in months without a word": ("sub-a9\t528\tx.nii.gz", "at most 120 years, got 528"),
    "a date": ("sub-b1\t1970-01-01\tx.nii.gz", "is not a number of years"),
    "an id that stood before": ("sub-00\t44\tx.nii.gz", "is in line 2 already"),
    "an id that stood before with its prefix": ("00\t44\tx.nii.gz", "is in line 2 already"),
    "no id": ("\t44\tx.nii.gz", "no participant_id"),
    "an id of a prefix alone": ("sub-\t44\tx.nii.gz", "no participant_id"),
    "an image that is missing": ("sub-b2\t44\tgone.nii.gz", "the image does not exist"),
    "an image that is a folder": ("sub-b3\t44\tfolder", "the image is not a file"),
    "no image named": ("sub-b4\t44\tn/a", "no image is named in this row"),
    "a cell too many": ("sub-b5\t44\tx.nii.gz\tyes", "4 cells where the header has 3 columns"),
    "a cell too few": ("sub-b6\t44", "2 cells where the header has 3 columns"),
    "a comma where a tab should be": ("sub-b7,44,x.nii.gz", "1 cells where the header has 3 columns"),
    "two numbers in one": ("sub-b8\t1,234.5\tx.nii.gz", "is not a number of years"),
}
SOUND = {  # the row, and the age that it tells
    "a decimal comma": ("sub-c1\t44,5\tx.nii.gz", 44.5),
    "blanks around": (" sub-c2 \t 44 \t x.nii.gz ", 44.0),
    "an age with an exponent": ("sub-c3\t4.4e1\tx.nii.gz", 44.0),
    "no prefix": ("c4\t44\tx.nii.gz", 44.0),
    "no age": ("sub-c5\tn/a\tx.nii.gz", None),
    "a blank age": ("sub-c6\t\tx.nii.gz", None),
    "an age of NaN": ("sub-c7\tNaN\tx.nii.gz", None),
}
TABLES: dict[str, tuple[bytes, str]] = {  # a whole table, and what it is refused for
    "no rows": (b"participant_id\tage\timage\n", "the table has no rows"),
    "nothing": (b"", "the table has no rows"),
    "no column of ids": (b"subject\tage\timage\n00\t44\tx.nii.gz\n", "no column 'participant_id'"),
    "a column of ids by another name": (b"otherid\tage\n00\t44\n", "rename the column 'otherid' to participant_id"),
    "ids with a hyphen": (b"age\tParticipant-ID\n44\t00\n", "rename the column 'Participant-ID' to participant_id"),
    "ids alone": (b"ID;age;image\n00;44;x.nii.gz\n", "rename the column 'ID' to participant_id"),
    "blanks between": (b"participant_id age image\n00 44 x.nii.gz\n", "separated by tabs, commas or semicolons"),
    "bars between": (b"participant_id | age|image\n00|44|x.nii.gz\n", "separated by tabs, commas or semicolons"),
    "a column twice": (b"participant_id\tage\tAge\n00\t44\t44\n", "two columns have the name"),
    "a spreadsheet's own format": (b"PK\x03\x04\x14\x00\x06\x00\xde\xad\xbe\xef", "is not utf-8 text"),
    "NUL characters": (b"participant_id\tage\timage\n0\x000\t44\tx.nii.gz\n", "NUL characters"),
    "another encoding": ("participant_id\tage\timage\n00\t44\tJosé.nii\n".encode("latin-1"), "save it as UTF-8"),
    "a quote is not closed": (b'participant_id\tage\timage\n00\t"44\tx.nii.gz\n', "a quote is not closed"),
}
PLAIN = ["participant_id\tage\timage", "sub-00\t44.5\tx.nii.gz", "sub-01\t61\tx.nii.gz"]
WRITTEN: dict[str, bytes] = {  # one table, as different programs save it
    "byte-order mark": ("\ufeff" + "\n".join(PLAIN)).encode(),
    "CRLF": "\r\n".join(PLAIN).encode(),
    "CR alone": "\r".join(PLAIN).encode(),
    "semicolons": "\n".join(PLAIN).replace("\t", ";").encode(),
    "semicolons and decimal commas": "\n".join(PLAIN).replace("\t", ";").replace("44.5", "44,5").encode(),
    "commas": "\n".join(PLAIN).replace("\t", ",").encode(),
    "UTF-16": "\n".join(PLAIN).encode("utf-16"),
    "quotes": "\n".join(PLAIN).replace("44.5", '"44.5"').encode(),
    "blank lines": "\n\n".join(PLAIN).encode(),
    "names in capitals": "\n".join([PLAIN[0].upper(), *PLAIN[1:]]).encode(),
    "empty columns at the end": "\n".join(f"{line}\t\t" for line in PLAIN).encode(),
}


@pytest.fixture(scope="module")
def folder(toy_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image, and what is none."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "x.nii.gz").write_bytes((toy_cohort / "00.nii.gz").read_bytes())
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(scope="module")
def checked(folder: Path, command: Run) -> tuple[tuple[int, str, str], list[dict[str, Any]], dict[str, int]]:
    """`check` of all rows at once: what came of it, the problems, and the line of each row."""
    rows = ["sub-00\t44\tx.nii.gz", *(row for row, _ in ROWS.values()), *(row for row, _ in SOUND.values())]
    table = folder / "rows.tsv"
    table.write_text("\n".join([HEADER, *rows]) + "\n")
    came = command("check", table, "--json", folder / "problems.json")
    lines = {name: number for number, name in enumerate([*ROWS, *SOUND], start=3)}
    return came, json.loads((folder / "problems.json").read_text())["problems"], lines


@pytest.mark.parametrize("fault", ROWS)
def test_a_row_with(fault: str, checked: Any) -> None:
    came, problems, lines = checked
    (found,) = [row for row in problems if row["line"] == lines[fault] and row["level"] == "problem"]
    assert ROWS[fault][1] in found["message"]
    assert came[0] == 4
    (said,) = [line for line in came[1].splitlines() if ROWS[fault][1] in line and f" {lines[fault]} " in line]
    assert said.startswith("problem")


@pytest.mark.parametrize("row", SOUND)
def test_a_row_read_right_with(row: str, checked: Any, folder: Path) -> None:
    _, problems, lines = checked
    assert not [one for one in problems if one["line"] == lines[row] and one["level"] == "problem"]
    (subject,) = [one for one in read_cohort(folder / "rows.tsv", need_age=False).subjects if one.line == lines[row]]
    assert subject.age == SOUND[row][1]
    assert subject.image == folder / "x.nii.gz"


def test_who_has_no_age_is_counted_and_named_where_one_is_needed(checked: Any, folder: Path) -> None:
    cohort = read_cohort(folder / "rows.tsv")
    assert cohort.dropped == ("c5", "c6", "c7")
    assert "3 excluded without an age: sub-c5, sub-c6, sub-c7" in cohort.describe()
    assert "3 of them without an age" in checked[0][2]


@pytest.mark.parametrize("fault", TABLES)
@pytest.mark.parametrize("word", ["check", "train"])
def test_a_table_with(fault: str, word: str, folder: Path, run: Run, tmp_path: Path) -> None:
    content, said = TABLES[fault]
    table = folder / "whole.tsv"
    table.write_bytes(content)
    given = ["--shape", "10x12x8", "--device", "cpu", "--out", tmp_path / "model"] if word == "train" else []
    code, _, told = run(word, table, *given)
    assert code == 3
    assert told.count("\n") == 1 and told.startswith(f"Error: {table}: ")
    assert said in told
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("needed", "said"), [("train", "no column 'age'"), ("fit", "No training subject has an age")])
def test_a_table_without_ages_where_they_are_needed(
    needed: str, said: str, folder: Path, toy_model: Path, run: Run, tmp_path: Path
) -> None:
    table = folder / "ageless.tsv"
    table.write_text("participant_id\timage\nsub-00\tx.nii.gz\n")
    given = ["--shape", "10x12x8"] if needed == "train" else ["--predictor", toy_model, "--method", "unoise"]
    code, _, told = run(needed, table, *given, "--device", "cpu", "--out", tmp_path / "out")
    assert code == 3
    assert said in told and told.count("\n") == 1


def test_a_table_without_ages_is_told_before_a_run(folder: Path, run: Run) -> None:
    table = folder / "ageless.tsv"
    table.write_text("participant_id\timage\tage_bl\nsub-00\tx.nii.gz\t44\n")
    code, told, _ = run("check", table)
    assert code == 0 and "unusual ages: no column 'age'" in told
    assert told.splitlines()[-1].endswith(
        "1 subjects can be used, none of them has an age; no problems, warnings about the table"
    )


def test_a_table_without_ages_is_explained(folder: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    table = folder / "ageless.tsv"
    table.write_text("participant_id\timage\nsub-00\tx.nii.gz\n")
    given = ["--predictor", toy_model, "--method", "saliency", "--split", "all", "--device", "cpu"]
    assert run("explain", table, *given, "--out", tmp_path / "maps")[0] == 0
    (sidecar,) = (tmp_path / "maps" / "sub-00").glob("*_importance.json")
    assert json.loads(sidecar.read_text())["age"] is None


@pytest.mark.parametrize("program", WRITTEN)
def test_a_table_saved_with(program: str, folder: Path) -> None:
    table = folder / "written.csv"
    table.write_bytes(WRITTEN[program])
    cohort = read_cohort(table)
    assert [(one.id, one.age) for one in cohort.subjects] == [("00", 44.5), ("01", 61.0)]
    assert cohort.problems == ()


def test_one_row(folder: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    table = folder / "one.tsv"
    table.write_text(f"{HEADER}\nsub-00\t44\tx.nii.gz\n")
    assert run("check", table)[0] == 0
    code, _, told = run("train", table, "--shape", "10x12x8", "--device", "cpu", "--out", tmp_path / "model")
    assert code == 3
    assert told.count("\n") == 1 and not (tmp_path / "model" / "model.json").exists()


def test_an_image_that_no_row_names_is_left_alone(folder: Path) -> None:
    (folder / "extra.nii.gz").write_bytes(b"")
    table = folder / "few.tsv"
    table.write_text(f"{HEADER}\nsub-00\t44\tx.nii.gz\n")
    assert [one.image.name for one in read_cohort(table).subjects] == ["x.nii.gz"]


@pytest.mark.slow
def test_a_hundred_thousand_rows(folder: Path) -> None:
    """Linear in the rows: ten times as many take ten times as long, give or take a machine's moods."""
    took = []
    for number in (10_000, 100_000):
        table = folder / "many.tsv"
        rows = [f"sub-{one:06d}\t{20 + one % 60}\tx.nii.gz" for one in range(number)]
        table.write_text("\n".join([HEADER, *rows, rows[0]]) + "\n")
        start = time.process_time()
        cohort = read_cohort(table)
        took.append(time.process_time() - start)
        assert len(cohort.subjects) == number - 1
        assert [one.line for one in cohort.problems] == [2, number + 2]
    assert took[1] < 30 * took[0]
