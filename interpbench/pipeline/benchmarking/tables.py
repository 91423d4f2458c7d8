"""The results of one subject as a table, and those of all of them as two."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.contract.metric import UNIT, Measure
from interpbench.errors import InputError
from interpbench.files.atomic import write_tsv
from interpbench.files.written.benchmark import CURVE_COLUMNS, MEASURE_COLUMNS, ROW_COLUMNS

Row = dict[str, Any]


def rows_of(
    subject: str,
    method: str,
    measures: Sequence[Measure],
    found: Mapping[str, float | Sequence[float]],
    notes: Mapping[str, str],
) -> list[Row]:
    """One metric's figures of one map: a row for a number, a row a step for a curve; NaN where nothing can be said.

    Args:
        notes: why, by measure.
    """
    rows: list[Row] = []
    for measure in measures:
        value = found[measure.name]
        steps: Sequence[Any] = measure.steps or (None,)
        values = [value] if isinstance(value, int | float) else list(value)
        for step, one in zip(steps, values, strict=True):
            row = {"participant_id": f"sub-{subject}", "method": method, "measure": measure.name, "step": step}
            note = notes.get(measure.name) if math.isnan(one) else None
            rows.append({**row, "value": float(one), "note": note or None})
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the results of one subject."""
    write_tsv(path, rows, tuple(ROW_COLUMNS))


def read_rows(path: Path) -> list[Row]:
    """Read back what `write_rows` wrote.

    Raises:
        InputError: it is not as it was written.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
            if tuple(reader.fieldnames or ()) != tuple(ROW_COLUMNS):
                raise ValueError("it has other columns")
            return [_typed(row) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise InputError(f"{path}: is not a table of measures ({error}). Delete it: it is made again.") from error


def _typed(row: Mapping[Any, Any]) -> Row:
    if None in row or None in row.values():
        raise ValueError("a row has another number of cells")
    step, value, note = row["step"], row["value"], row["note"]
    return {
        **row,
        "step": None if step == "n/a" else float(step),
        "value": math.nan if value == "n/a" else float(value),
        "note": "" if note == "n/a" else note,
    }


def write_tables(folder: Path, rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Write `measures.tsv`, a row a subject, method and measure, and `curves.tsv`, a row a step.

    Returns:
        The rows of both.
    """
    numbers: list[Row] = []
    curves: list[Row] = []
    for row in rows:
        (numbers if row["step"] is None else curves).append(row)
    named = [{name: row[name] or None if name == "note" else row[name] for name in MEASURE_COLUMNS} for row in numbers]
    write_tsv(folder / "measures.tsv", named, tuple(MEASURE_COLUMNS))
    stepped = [{name: row[name] for name in CURVE_COLUMNS} for row in curves]
    write_tsv(folder / "curves.tsv", stepped, tuple(CURVE_COLUMNS))
    return numbers, curves


def describe_measure(metric: str, measure: Measure, unit: str) -> dict[str, Any]:
    """The sidecar's entry for a measure, with the predictor's unit inserted."""
    told = dataclasses.asdict(measure)
    return {
        "name": measure.name,
        "metric": metric,
        **told,
        "unit": measure.unit.replace(UNIT, unit),
        "steps": list(measure.steps),
    }
