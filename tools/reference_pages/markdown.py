"""Tables and text as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a column that is empty in every row is left out."""
    rows = [[cell(one) for one in row] for row in rows]
    used = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    lines = [_line(columns[place] for place in used), _line("---" for _ in used)]
    lines += [_line(row[place] for place in used) for row in rows]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:
    """A word of a program; nothing for no word."""
    return f"`{value}`" if value != "" else ""


def paragraphs(*texts: str) -> str:
    """Texts with an empty line between them; those that are empty are left out."""
    return "\n\n".join(text.strip("\n") for text in texts if text) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
