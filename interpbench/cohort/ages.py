"""Numbers in the cells of a table, and detection of ages that are not in years.

That is told by the JSON beside the table, or by numbers that no age in years can be.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from interpbench.errors import InputError

OLDEST = 120.0  # years
_TIMES = r"months?|mths?|mnths?|mons?|mos?|weeks?|wks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|decades?"
_YEAR = r"years?|yrs?|yo|annum|ann[eé]es?|jahren?|a[nñ]os?|anni"
_OTHER = re.compile(rf"\b({_TIMES}|m|w|d|h|s)\b")
_YEARS = re.compile(rf"\b({_YEAR}|y)\b|^a$")


def _phrases(units: str) -> re.Pattern[str]:
    """The phrases of prose that name a unit of age; "6 months after enrolment" does not."""
    kinds = "full|fractional|completed?|whole|calendar|decimal|gestational|postnatal|postmenstrual|lunar"
    return re.compile(
        rf"\bin (?:(?:{kinds}) )?({units})\b(?! ?\d)|(?<!\d )\b({units}) (?:of age|old|since birth|from birth)\b"
        rf"|\bunits?(?: is| are)? ?[:=]? ?({units})\b|[(\[] ?(?:in )?({units}) ?[)\]]"
        rf"|\bnumber of (?:(?:{kinds}) )?({units})\b|^(?:ages? ?[,;:/]? ?)?({units})$|[,;:/] ?({units})$"
    )


_SAYS_OTHER, _SAYS_YEARS = _phrases(_TIMES), _phrases(rf"{_YEAR}|y")
_ANY_YEAR = rf"(?:{_YEAR}|y)\b"
_PART = re.compile(  # of a year, or several: "1/12 year", "0.1 years", "years x 12", "log years"
    rf"(?<![\d.,])(?!1 ?{_ANY_YEAR})\d[\d.,/]* ?[*x\u00d7]? ?{_ANY_YEAR}|\b{_ANY_YEAR} ?[*x/\u00d7\u00f7] ?\d"
    rf"|\b(?:log\w*|ln|sqrt|half|quarters?|tenths?|hundredths?)\b.*\b{_ANY_YEAR}"
)
_NO_UNIT = frozenset({"", "n/a", "na", "none", "null", "unknown"})
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
CODES = (777, 888, 999, 7777, 8888, 9999, 99999)  # that stand for a missing age


def number_in(cell: str) -> float | None:
    """The number in a cell, also with a decimal comma; None for anything else."""
    text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
    try:
        number = float(text if "_" not in text else "")  # Python reads 4_4 as 44
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def two_readings(cells: Iterable[str]) -> frozenset[str]:
    """The cells whose comma may separate thousands or decimals, which no other cell of the column decides."""
    told = {cell for cell in cells if "," in cell and number_in(cell) is not None}
    return frozenset(told) if all(_THOUSANDS.fullmatch(cell) for cell in told) else frozenset()


def refuse_other_units(table: Path, ages: Sequence[float]) -> tuple[str, ...]:
    """Refuse a table whose ages are in months, weeks or days; return warnings about their unit.

    Args:
        ages: its numbers, also those that no age can be.

    Raises:
        InputError: the JSON beside the table names another unit than years for `age`, or most ages are above 120.
    """
    if not ages:
        return ()
    sidecar = table.with_suffix(".json")
    unit, doubts = _read_unit(sidecar)
    if unit is not None:
        raise InputError(f"{table}: {unit.format(sidecar.name)}")
    of_folder = table.with_name("participants.json")
    if not sidecar.exists() and (unit := _read_unit(of_folder)[0]):  # which is about another table, perhaps its source
        doubts = (f"{unit.format(of_folder.name)} If {table.name} is in years, set this unit in {sidecar.name}",)
    told = [age for age in ages if age not in CODES and age > 0]
    above = [age for age in told if age > OLDEST]
    if len(above) > 1 and 2 * len(above) > len(told):
        guess = "months" if median(above) <= 12 * OLDEST else "days"
        raise InputError(
            f"{table}: {len(above)} of {len(told)} ages are above {OLDEST:g}, up to {max(above):g}: they look like"
            f" {guess}, and years are needed."
        )
    return doubts


def _read_unit(sidecar: Path) -> tuple[str | None, tuple[str, ...]]:
    """The sentence of `_unit_in`, and a warning where the file cannot be read."""
    try:
        return _unit_in(sidecar), ()
    except (OSError, ValueError, RecursionError) as error:
        why = " ".join(str(getattr(error, "strerror", None) or error).split())[:80]
        return None, (f"{sidecar.name} cannot be read, so the unit of the ages is unknown ({why})",)


def _unit_in(sidecar: Path) -> str | None:
    """A sentence on the unit of `age` in a BIDS sidecar if it is not years; None otherwise."""
    try:
        text = sidecar.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None  # nobody has to write one
    column = _of(json.loads(text), "age")
    if isinstance(column, str):
        column = {"description": column}
    for name in ("units", "unit", "longname", "description"):
        words = list(_texts(_of(column, name)))
        plain = [_plain(one) for one in words]
        exact = name.startswith("unit")
        if exact and (part := next((word for word in words if _PART.search(word.casefold())), None)):
            return _unknown(part)
        years, others = (_YEARS, _OTHER) if exact else (_SAYS_YEARS, _SAYS_OTHER)
        for one in plain:
            in_years, found = years.search(one), others.search(one)
            if in_years and not (found and exact and found.start() < in_years.start()):
                return None  # "years, months / 12"; and "months, not years" are months
            if found:
                unit = next(group for group in found.groups() if group)
                return (
                    f"age is in {unit} according to {{}}, and years are needed: write the ages in"
                    " years, or correct its Units."
                )
        for word, one in zip(words, plain, strict=True) if exact else ():
            if one not in _NO_UNIT:
                return _unknown(word)
    return None


def _unknown(unit: str) -> str:
    shown = repr(unit[:40]).replace("{", "{{").replace("}", "}}")
    return f"{{}} gives the unit of age as {shown}: write ages in years."


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, which may be a list or a mapping."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            if not (isinstance(one, str) and "://" in one):
                yield from _texts(one)


def _plain(text: str) -> str:
    """The text in lower case with blanks between words, also for `age_in_months` and `AgeInMonths`."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[_.\-\s]+|(?<=\w)\(s\)", " ", apart).split()).casefold().strip()


def _of(values: Any, name: str) -> Any:
    """The value of a mapping under a name, ignoring case and the characters between words."""
    if not isinstance(values, dict):
        return None
    return next((value for key, value in values.items() if re.sub(r"[\W_]", "", str(key)).lower() == name), None)
