"""The part of a page that is written from a result: what stands between two markers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.errors import InputError
from interpbench.files.atomic import read_json, write_text


def fill_page(
    words: Sequence[str] | None,
    about: str | None,
    results: Path,
    page: Path,
    name: str,
    tables: Callable[[Mapping[str, Any]], list[str]],
) -> None:
    """Read a result, and write its tables between `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a page.

    Args:
        words: the command line, with `--results` and `--page`.
        about: what the script says of itself.
        results, page: the files that are meant where the command line names none.
        name: of the markers.
        tables: the lines of Markdown that belong to a result.

    Raises:
        InputError: the page has no such markers.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--results", type=Path, default=results)
    parser.add_argument("--page", type=Path, default=page)
    asked = parser.parse_args(words)
    start, stop = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begin, rest = asked.page.read_text(encoding="utf-8").partition(start)
    _, end, after = rest.partition(stop)
    if not (begin and end):
        raise InputError(f"{asked.page}: has no place for tables between {start} and {stop}.")
    body = "\n".join(tables(read_json(asked.results)))
    write_text(asked.page, f"{before}{start}\n\n{body}\n\n{stop}{after}")
    print(asked.page)
