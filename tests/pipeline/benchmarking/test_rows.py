"""Rows of measures: made, written, read back, kept while a subject is unfinished, and told of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpbench import Measure
from interpbench.errors import InputError
from interpbench.pipeline.benchmarking.results import _broken, _doubts, _note
from interpbench.pipeline.benchmarking.tables import (
    Row,
    describe_measure,
    read_rows,
    rows_of,
    write_rows,
    write_tables,
)
from interpbench.pipeline.benchmarking.unfinished import Unfinished

NUMBER = Measure(name="auc", unit="", direction="higher", help="h")
CURVE = Measure(name="curve", unit="{unit} of {unit}", direction=None, help="h", steps=(0.1, 0.5, 1.0))
numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=False), st.integers(-9, 9).map(float))
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def row(value: float = 1.0, step: float | None = None, note: str | None = None, **other: Any) -> Row:
    found = {"participant_id": "sub-1", "method": "m", "measure": "auc", "step": step, "value": value, "note": note}
    return found | other


def same(one: Row, other: Row) -> bool:
    """Whether two rows are equal; NaN is NaN, and no note no note."""
    values = [one["value"], other["value"]]
    equal = values[0] == values[1] or all(map(math.isnan, values))
    return equal and all((one[name] or "") == (other[name] or "") for name in one if name != "value")


# Making


def test_a_number_is_a_row_and_a_curve_a_row_a_step() -> None:
    found = rows_of("1", "m", [NUMBER, CURVE], {"auc": 1, "curve": [0.5, math.nan, 2]}, {"curve": "why"})
    assert [(one["measure"], one["step"], one["note"]) for one in found] == [
        ("auc", None, None),
        ("curve", 0.1, None),
        ("curve", 0.5, "why"),
        ("curve", 1.0, None),
    ]
    assert {(one["participant_id"], one["method"]) for one in found} == {("sub-1", "m")}
    assert all(isinstance(one["value"], float) for one in found)


@pytest.mark.parametrize("note", ["", "why"])
def test_only_what_is_missing_has_a_note(note: str) -> None:
    missing, there = (
        rows_of("1", "m", [NUMBER, NUMBER], {"auc": math.nan}, {"auc": note, "curve": "another"}),
        rows_of("1", "m", [NUMBER], {"auc": 0}, {"auc": note}),
    )
    assert [one["note"] for one in missing] == [note or None] * 2
    assert there[0]["note"] is None


@pytest.mark.parametrize("values", [[1.0], [1.0] * 4, []])
def test_a_curve_of_another_length_is_a_bug(values: list[float]) -> None:
    with pytest.raises(ValueError, match="argument"):
        rows_of("1", "m", [CURVE], {"curve": values}, {})


def test_a_measure_is_described_in_the_predictors_unit_as_json() -> None:
    told = describe_measure("metric", CURVE, "years")
    assert (told["unit"], told["steps"], told["metric"]) == ("years of years", [0.1, 0.5, 1.0], "metric")
    assert json.loads(json.dumps(told)) == told
    assert set(Measure.__dataclass_fields__) <= set(told)


# Writing and reading back


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(numbers, st.one_of(st.none(), numbers.filter(math.isfinite))), max_size=5))
def test_numbers_come_back_bit_by_bit(cells: list[tuple[float, float | None]], tmp_path: Path) -> None:
    rows = [row(value, step) for value, step in cells]
    write_rows(tmp_path / "t.tsv", rows)
    back = read_rows(tmp_path / "t.tsv")
    assert len(back) == len(rows) and all(map(same, rows, back))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=words)
def test_whatever_a_note_says_the_table_stays_one_and_a_second_writing_changes_nothing(
    note: str, tmp_path: Path
) -> None:
    place = tmp_path / "t.tsv"
    write_rows(place, [row(math.nan, note=note.strip() or None), row(2.0)])
    first = read_rows(place)
    assert [one["participant_id"] for one in first] == ["sub-1", "sub-1"] and first[1]["value"] == 2
    content = place.read_bytes()
    write_rows(place, [{**one, "note": one["note"] or None} for one in first])
    assert place.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"\0",
        b"participant_id\tmethod\n1\tm\n",
        b"participant_id\tmethod\tmeasure\tstep\tvalue\tnote\nsub-1\tm\tauc\tn/a\tmany\tn/a\n",
        b"participant_id\tmethod\tmeasure\tstep\tvalue\tnote\nsub-1\tm\tauc\tfirst\t1\tn/a\n",
        b"participant_id\tmethod\tmeasure\tstep\tvalue\tnote\nsub-1\tm\tauc\n",
        b"participant_id\tmethod\tmeasure\tstep\tvalue\tnote\nsub-1\tm\tauc\tn/a\t1\n",
        b"participant_id\tmethod\tmeasure\tstep\tvalue\tnote\nsub-1\tm\tauc\tn/a\t1\tn/a\textra\n",
    ],
    ids=["no text", "NUL", "other columns", "no number", "no step", "cut early", "cut late", "a cell too many"],
)
def test_a_table_that_is_not_as_it_was_written_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(InputError, match=r"t\.tsv: is not a table of measures .* Delete it: it is made again\."):
        read_rows(tmp_path / "t.tsv")


def test_a_table_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.tsv: cannot be read \(No such file"):
        read_rows(tmp_path / "gone.tsv")


def test_numbers_and_curves_are_two_tables(tmp_path: Path) -> None:
    rows = [row(1.0), row(2.0, 0.1, measure="curve"), row(math.nan, note=""), row(3.0, 0.5, measure="curve")]
    numbers, curves = write_tables(tmp_path, iter(rows))
    assert [one["value"] for one in curves] == [2.0, 3.0] and len(numbers) == 2
    assert (tmp_path / "measures.tsv").read_text().splitlines()[1:] == [
        "sub-1\tm\tauc\t1.0\tn/a",
        "sub-1\tm\tauc\tn/a\tn/a",
    ]
    assert (tmp_path / "curves.tsv").read_text().splitlines()[1:] == [
        "sub-1\tm\tcurve\t0.1\t2.0",
        "sub-1\tm\tcurve\t0.5\t3.0",
    ]


# A subject who is unfinished


def unfinished(folder: Path, **stamp: Any) -> Unfinished:
    return Unfinished(product=folder / "sub-1_measures.tsv", stamp={"run": "r", "again": True, **stamp})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(st.floats(), st.one_of(st.none(), words)), max_size=4))
def test_rows_that_are_kept_come_back_as_they_were(cells: list[tuple[float, str | None]], tmp_path: Path) -> None:
    rows = {"m": [row(value, note=note) for value, note in cells], "other": []}
    unfinished(tmp_path).keep(rows)
    back = unfinished(tmp_path).read()
    assert list(back) == ["m", "other"] and back["other"] == []
    assert len(back["m"]) == len(rows["m"])
    for one, other in zip(rows["m"], back["m"], strict=True):
        assert same(one, other) and one["note"] == other["note"]


def test_rows_of_another_run_state_or_file_are_not_taken(tmp_path: Path) -> None:
    unfinished(tmp_path).keep({"m": [row()]})
    for stamp in ({"run": "other"}, {"again": False}, {"image_sha256": "x"}):
        assert unfinished(tmp_path, **stamp).read() == {}
    assert list(unfinished(tmp_path).read()) == ["m"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"stamp": 1, "rows": {}}', '{"stamp": {"run": "r", "again": true}, "rows": {"m": [{}]}}'],
)
def test_a_damaged_file_is_as_none(content: str, tmp_path: Path) -> None:
    unfinished(tmp_path).path.write_text(content)
    assert unfinished(tmp_path).read() == {}


def test_the_file_is_hidden_beside_the_table_and_goes_when_it_is_not_needed(tmp_path: Path) -> None:
    one = unfinished(tmp_path)
    assert one.read() == {}
    one.remove()
    one.keep({})
    assert [place.name for place in tmp_path.iterdir()] == [".sub-1_measures.unfinished.json"]
    one.remove()
    assert not any(tmp_path.iterdir())


# What is told of a method and a metric


def found(**other: Any) -> Any:
    return SimpleNamespace(**({"excluded": {}, "missing": {}, "flat": {}, "subjects": ["1", "2", "3"]} | other))


def test_a_method_is_told_why_it_has_no_maps_or_how_many_it_lacks() -> None:
    missing = {("1", "m"): "no layer", ("2", "m"): "memory", ("2", "other"): "odd"}
    one = SimpleNamespace(method="m", name="m+blur")
    assert _note(one, found(excluded={"m": "cannot be fitted"}, missing=missing)) == "cannot be fitted"
    assert _note(one, found(missing=missing)) == "no map of 2 of 3 subjects, the first: no layer"
    assert _note(one, found(excluded={"other": "x"}, missing={("1", "other"): "y"})) == ""


def test_constant_maps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpbench.pipeline.benchmarking.results.said_of_resampled", lambda found: ["resampled"])
    assert _doubts(found(flat={"a": 2, "b": 0})) == [
        "a: the map is constant for 2 of 3 subjects; it has no information about them.",
        "resampled",
    ]


def test_of_a_metric_that_fails_the_first_failure_is_told() -> None:
    rows = [
        row(note="it does not apply"),
        row(note="metric 'x' on the map by 'm' failed: one.", method="a"),
        row(note="metric 'x' on the map by 'm' failed: two.", method="b"),
        row(note="metric 'xy' failed: three."),
        row(note=None),
    ]
    assert _broken(rows, [("x", None), ("xy", None), ("z", None)]) == [
        "sub-1, a: metric 'x' on the map by 'm' failed: one.",
        "sub-1, m: metric 'xy' failed: three.",
    ]
