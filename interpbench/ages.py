"""Numbers in a table's cells, and ages in another unit than years.

That is told by the JSON beside the table, or by numbers that no age in years can be.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from interpbench.errors import InputError

OLDEST = 120.0  # years
_OTHER = re.compile(r"\b(months?|mos?|weeks?|wks?|days?|hours?|minutes?|seconds?)\b", re.IGNORECASE)
_YEARS = re.compile(r"\b(years?|yrs?|y)\b", re.IGNORECASE)
CODES = (777, 888, 999, 7777, 8888, 9999, 99999)  # that stand for a missing age


def number_in(cell: str) -> float | None:
    """The number that a cell holds, also with a decimal comma; None where it holds something else."""
    text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
    try:
        number = float(text if "_" not in text else "")  # Python reads 4_4 as 44
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def refuse_other_units(table: Path, ages: Sequence[float]) -> None:
    """Refuse a table whose ages are in months, weeks or days.

    Args:
        ages: its numbers, also those that no age can be.

    Raises:
        InputError: the JSON beside the table names another unit than years for `age`, or most ages are above 120.
    """
    if not ages:
        return
    sidecar = table.with_suffix(".json")
    if unit := _unit_in(sidecar):
        raise InputError(
            f"{table}: age is in {unit}, says {sidecar.name}, and years are needed: write the ages in years, or mend"
            " its Units."
        )
    told = [age for age in ages if age not in CODES and age > 0]
    above = [age for age in told if age > OLDEST]
    if len(above) > 1 and 2 * len(above) > len(told):
        unit = "months" if median(above) <= 12 * OLDEST else "days"
        raise InputError(
            f"{table}: {len(above)} of {len(told)} ages are above {OLDEST:g}, up to {max(above):g}: they look like"
            f" {unit}, and years are needed."
        )


def _unit_in(sidecar: Path) -> str | None:
    """The unit of `age` in a BIDS sidecar, where it is one of time, and not years."""
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None  # it is of no use, and nobody has to write one
    column = _of(content, "age")
    for words in (_of(column, "units"), _of(column, "unit"), _of(column, "description")):
        if isinstance(words, str) and _YEARS.search(words):
            return None
        if isinstance(words, str) and (found := _OTHER.search(words)):
            return found.group().lower()
    return None


def _of(values: Any, name: str) -> Any:
    """What a mapping holds under a name in upper or lower case."""
    if not isinstance(values, dict):
        return None
    return next((value for key, value in values.items() if str(key).lower() == name), None)
