"""Ages in the `sub-X_sessions.tsv` of BIDS, compared with those of the participants' table."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from interpbench.cohort.ages import number_in
from interpbench.errors import InputError
from interpbench.files.table import read_table

APART = 1.0  # years: less may be rounding
_SESSION = re.compile(r"(?:^|[/_])(ses-[0-9A-Za-z+]+)(?=[/_])")


def contradicted_ages(root: Path, ages: Iterable[tuple[str, Path, float | None]]) -> tuple[str, ...]:
    """A warning about ages that differ by a year or more from those of the image's session; empty if none do.

    Args:
        root: the folder of the table, in which `sub-X/sub-X_sessions.tsv` is looked for.
        ages: label, image and age of each subject.
    """
    found = []
    for label, image, age in ages:
        person = f"sub-{label.partition('+')[0]}"
        table = root / person / f"{person}_sessions.tsv"
        sessions = _SESSION.findall("/".join(image.parts[-3:]))
        there = _age_in(table, sessions[-1]) if age is not None and sessions and table.is_file() else None
        if age is not None and there is not None and abs(age - there) >= APART:
            found.append(f"sub-{label} has the age {age:g}, but {table.name} has {there:g} for {sessions[-1]}")
    more = f"; {len(found) - 1} more ages differ so" if len(found) > 1 else ""
    return (f"{found[0]}{more}",) if found else ()


def _age_in(table: Path, session: str) -> float | None:
    with contextlib.suppress(InputError):
        for row in read_table(table)[1]:
            told = row.cells.get("session_id")
            if not row.fault and told and f"ses-{told.removeprefix('ses-')}" == session:
                return number_in(row.cells.get("age") or "")
    return None
