"""The page: one self-contained HTML file with the pictures, figures, warnings and commands of a run."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from interpbench.errors import InputError
from interpbench.files.atomic import atomic_path
from interpbench.report.curves import Chart, chart_png
from interpbench.report.view import View, view_html

NONE = "–"  # noqa: RUF001  an en dash, where a table has nothing to say


@dataclass(frozen=True)
class Figure:
    """One number for the reader, with all that it needs: its unit, n, and 95 % interval where it has one."""

    label: str
    value: float | int | str | None
    unit: str
    n: int | None = None
    interval: tuple[float, float] | None = None
    note: str = ""


def write_report_page(
    path: Path | str,
    *,
    title: str,
    about: Sequence[str],
    figures: Sequence[Figure],
    pictures: Sequence[tuple[str, Path]],
    charts: Sequence[Chart] = (),
    view: View | None = None,
    warnings: Sequence[str] = (),
    commands: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write the page. It opens without a network, and forbids the browser to use one.

    Args:
        path: of the HTML file, which appears whole or not at all.
        title: its heading.
        about: paragraphs on what was done.
        figures: the rows of the table of figures.
        pictures: captions and PNG files; the files' bytes go into the page.
        charts: training curves.
        view: a map to look through slice by slice.
        warnings: every sentence that the reader must know.
        commands: what to type to get the same again, line by line.
        versions: software and its version.

    Raises:
        InputError: a picture cannot be read.
    """
    document, width, height = view_html(view) if view else ("", 0, 0)
    write_html(
        path,
        "page.html",
        title=title,
        about=about,
        figures=figures,
        pictures=inlined_pictures(pictures),
        charts=[(f"{chart.title}: {chart.y} over {chart.x}", inlined(chart_png(chart))) for chart in charts],
        view=view,
        view_document=document,
        view_width=width,
        view_height=height,
        warnings=warnings,
        commands=commands,
        versions=versions or {},
    )


def write_html(path: Path | str, template: str, **values: Any) -> None:
    """Fill a template of this package and write it, whole or not at all. Every value is escaped: markup is text."""
    environment = Environment(
        loader=PackageLoader("interpbench.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"figure": shown, "interval": shown_interval, "parts": parts_of}
    page = environment.get_template(template).render(values)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def shown(value: float | int | str | None) -> str:
    """A number with three or four telling digits, words as they are, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    if isinstance(value, str | bool) or not isinstance(value, float):
        return str(value)
    if value == 0 or math.isinf(value):
        return f"{value + 0:g}"  # no minus zero
    if 0.01 <= abs(value) < 1e5:
        digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
        return f"{value:.{digits}f}"
    return f"{value:.2e}"


def shown_interval(interval: tuple[float, float] | None) -> str:
    """Both ends of an interval, or a dash."""
    return NONE if interval is None else f"{shown(float(interval[0]))} to {shown(float(interval[1]))}"


def parts_of(name: str) -> list[str]:
    """The parts of a name between which a line may end: after each _ and +."""
    return re.split(r"(?<=[_+])", name)


def inlined_pictures(pictures: Sequence[tuple[str, Path]]) -> list[tuple[str, str]]:
    """Captions, and the files' bytes as addresses that a page can hold."""
    return [(caption, inlined(_read(Path(picture)))) for caption, picture in pictures]


def inlined(image: bytes) -> str:
    """A PNG as an address that a page can hold."""
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"


def _read(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise InputError(f"{picture}: this picture of the page cannot be read ({error.strerror}).") from error
