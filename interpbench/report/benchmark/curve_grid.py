"""Curves of many methods: one panel a measure, one legend for all, bands for 95 % intervals.

Seven colours can be told apart. Lines without a colour of their own are drawn thin and pale, so that the reader sees
where they run; floors are grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from interpbench.errors import UsageError
from interpbench.report.curves import COLOURS, STROKES
from interpbench.report.drawing import DIM, FAINT, INK, canvas_of, png_of, short

MOST = len(COLOURS)  # lines with a colour of their own
PANEL, WIDER = (3.3, 2.35), 4.3  # inches; up to three panels are wider
PALE, GREYS = "#a9bccb", ("#5f5f5f", "#9a9a9a")


@dataclass(frozen=True)
class Line:
    """One method's mean over subjects, step by step, and the ends of its interval where it has them."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    bounds: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True)
class Panel:
    """The curves of one measure. `x` and `y` hold their units. Panels of one `axis` share the vertical one."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    note: str = ""
    axis: str = ""


def curve_grid_png(
    panels: Sequence[Panel],
    *,
    coloured: Sequence[str],
    banded: Sequence[str] = (),
    floors: Sequence[str] = (),
    columns: int = 3,
) -> bytes:
    """`draw_curves`, as PNG."""
    return png_of(draw_curves(panels, coloured=coloured, banded=banded, floors=floors, columns=columns))


def draw_curves(
    panels: Sequence[Panel],
    *,
    coloured: Sequence[str],
    banded: Sequence[str] = (),
    floors: Sequence[str] = (),
    columns: int = 3,
) -> Canvas:
    """Draw the panels row by row.

    Args:
        coloured: names drawn in a colour and stroke of their own, the same in every panel; at most seven, floors too.
        banded: names with a band from bound to bound; a few, for bands that overlap turn to mud.
        floors: names drawn in grey. All the other lines are thin and pale.

    Raises:
        UsageError: there is no panel, too many names are coloured, or a line has not as many values as steps.
    """
    coloured = list(dict.fromkeys(coloured))
    if not panels or len(coloured) > MOST:
        raise UsageError(f"Curves need a panel, and at most {MOST} colours, got {len(panels)} and {len(coloured)}.")
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    styles = _styles(coloured, floors)
    drawn = {line.name for panel in panels for line in panel.lines}
    named = [name for name in dict.fromkeys([*coloured, *floors]) if name in drawn]
    others = len(drawn - set(named))
    entries = len(named) + bool(others)
    words = [_label(name, name in floors) for name in named] + ([f"others ({others})"] if others else [])
    width = columns * (PANEL[0] if columns > 3 else WIDER)
    entry = 0.55 + 0.066 * max((len(word) for word in words), default=1)  # inches that a name in the legend takes
    across = max(1, min(entries, int(width / entry)))
    legend = 0.2 * math.ceil(entries / across) + 0.15
    canvas = canvas_of(width, rows * PANEL[1] + legend)
    share = 1 - legend / (rows * PANEL[1] + legend)
    canvas.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, share), hspace=0.04))
    limits = _limits(panels, banded)
    for index, panel in enumerate(panels):
        axes = canvas.add_subplot(rows, columns, index + 1)
        _draw_panel(axes, panel, styles, banded, limits.get(panel.axis))
    handles = [Line2D([], [], **styles[name]) for name in named]
    if others:
        handles.append(Line2D([], [], color=PALE, linewidth=0.8))
    if handles:
        box = canvas.legend(
            handles,
            words,
            loc="upper left",
            ncols=across,
            frameon=False,
            fontsize=8,
            handlelength=3,
            columnspacing=1,
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
        )
        box.set_in_layout(False)
        for text in box.get_texts():
            text.set_parse_math(False)
    return canvas


def _styles(coloured: Sequence[str], floors: Sequence[str]) -> dict[str, dict[str, Any]]:
    styles: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(floors):
        styles[name] = {
            "color": GREYS[index % 2],
            "linestyle": STROKES[(index + 1) % len(STROKES)],
            "linewidth": 1.2,
            "zorder": 2,
        }
    for index, name in enumerate(coloured):
        styles[name] = {
            "color": COLOURS[index],
            "linestyle": STROKES[index % len(STROKES)],
            "linewidth": 1.6,
            "zorder": 4 + MOST - index,
        }
    return styles


def _label(name: str, floor: bool) -> str:
    """As a legend takes it, which hides what begins with an underscore."""
    return short(name).lstrip("_") + (" (floor)" if floor else "")


def _draw_panel(
    axes: Axes,
    panel: Panel,
    styles: dict[str, dict[str, Any]],
    banded: Sequence[str],
    limits: tuple[float, float] | None,
) -> None:
    for line in panel.lines:
        if len(line.steps) != len(line.values):
            raise UsageError(
                f"{panel.title}, {line.name!r}: {len(line.steps)} steps do not go with {len(line.values)} values."
            )
        style = styles.get(line.name, {"color": PALE, "linewidth": 0.8, "zorder": 1})
        steps, values = np.asarray(line.steps, float), np.asarray(line.values, float)
        axes.plot(steps, np.where(np.isfinite(values), values, np.nan), **style)
        if line.name in banded and line.bounds:
            low, high = np.asarray([bound or (np.nan, np.nan) for bound in line.bounds], float).T
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.13, linewidth=0)
    if not any(np.isfinite(np.asarray(line.values, float)).any() for line in panel.lines):
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", color=DIM)
    elif limits is not None:
        axes.set_ylim(*limits)
    axes.set_title(panel.title, fontsize=9.5, loc="left", color=INK, parse_math=False)
    axes.set_title(panel.note, fontsize=8, loc="right", color=DIM, parse_math=False)
    axes.set_xlabel(fill(panel.x, 46), fontsize=8, parse_math=False)
    axes.set_ylabel(panel.y, fontsize=8, parse_math=False)
    axes.tick_params(labelsize=8)
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _limits(panels: Sequence[Panel], banded: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The ends of each vertical axis that more than one panel shares; all lines and bands lie between."""
    limits = {}
    for axis in {panel.axis for panel in panels if panel.axis}:
        members = [panel for panel in panels if panel.axis == axis]
        lines = [line for panel in members for line in panel.lines]
        ends = [end for line in lines if line.name in banded for bound in line.bounds for end in bound or ()]
        values = np.asarray([*(value for line in lines for value in line.values), *ends], float)
        values = values[np.isfinite(values)]
        if len(members) > 1 and values.size and np.ptp(values) > 0:
            margin = 0.06 * float(np.ptp(values))
            limits[axis] = (float(values.min()) - margin, float(values.max()) + margin)
    return limits
