"""Delimited text tables in all usual forms: with BOM, CRLF, quotes, tabs, semicolons or commas.

Only what concerns any table is here; what the columns mean is in `cohort.py`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from interpbench.errors import InputError

MISSING = frozenset({"", "n/a", "na", "nan", "none", "null", "."})


@dataclass(frozen=True)
class Row:
    """One row: its line in the file (the header is line 1), its cells by column name.

    `fault` says what is wrong with the row as a whole; its cells then cannot be trusted.
    """

    line: int
    cells: dict[str, str | None]
    fault: str | None = None


def read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read the names of the columns, as written in the file, and the rows.

    Cells are stripped; a blank, `n/a` and the like are None. In `Row.cells`, names are in lower case.

    Raises:
        InputError: not a readable text table, no rows, or a column twice.
    """
    text = _text_of(path)
    lines = text.split("\n")  # and at no other character that some take for the end of a line: a cell may hold it
    first = next((line for line in lines if line.strip()), "")
    delimiter = max("\t;,", key=re.sub('"[^"]*"', "", first).count)  # the first of them where none is there
    rows: list[Row] = []
    names: tuple[str, ...] = ()
    width = 0
    reader = csv.reader([f"{line}\n" for line in lines], delimiter=delimiter, strict=True)
    line = 1
    try:
        for found in reader:
            here, line = line, reader.line_num + 1  # a quoted cell may span lines: a row is where it begins
            cells = [" ".join(cell.strip().split("\n")) for cell in found]  # a quoted line break is a blank
            if not any(cells):
                continue
            if not names:
                names, width = _names(path, cells), len(cells)
            else:
                # In a table with commas a blank cell too many is a decimal comma's, and the cells before it slipped.
                rows.append(_row(here, names, cells, width if delimiter == "," else len(cells)))
    except csv.Error as error:
        raise InputError(
            f"{path}: line {line} cannot be read as a table ({error}); perhaps a quote is not closed."
        ) from error
    if not rows:
        raise InputError(f"{path}: the table has no rows.")
    return names, rows


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not {encoding[:6].rstrip('-')} text (byte {error.start}); save it as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"{path}: is not a text table (it holds NUL characters).")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _names(path: Path, cells: list[str]) -> tuple[str, ...]:
    while cells and not cells[-1]:  # spreadsheets leave empty columns at the end
        cells = cells[:-1]
    lower = [cell.lower() for cell in cells]
    twice = next((cell for cell in cells if cell and lower.count(cell.lower()) > 1), None)
    if twice:
        raise InputError(f"{path}: two columns have the name {twice!r}.")
    return tuple(cells)


def _row(line: int, names: tuple[str, ...], cells: list[str], most: int) -> Row:
    given = len(cells)
    while len(cells) > len(names) and not cells[-1]:
        cells = cells[:-1]
    values = {name.lower(): None if cell.lower() in MISSING else cell for name, cell in zip(names, cells, strict=False)}
    if len(cells) == len(names) and given <= most:
        return Row(line, values)
    # Cells may have slipped into a neighbour's column: a decimal comma, a path with a tab.
    number = given if given > most else len(cells)
    return Row(line, values, f"the row has {number} cells where the header has {len(names)} columns")
