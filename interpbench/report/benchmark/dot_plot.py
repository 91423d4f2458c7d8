"""One measure of every method: a dot for the mean, a line for its 95 % interval, a line across for chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from interpbench.report.curves import plain_numbers
from interpbench.report.drawing import DIM, FAINT, INK, LETTER, MethodStyle, canvas_of, png_of, short

WIDTH, ROW, HEAD, FOOT = 5.6, 0.185, 0.72, 0.5  # inches: all, one method, above and below
BOLD = 1.15  # how much wider bold letters are
WIDE = 100.0  # a range of values that is drawn on a logarithmic axis: the largest over the smallest


@dataclass(frozen=True)
class Dot:
    """One method's mean, and its interval where it has one."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    look: MethodStyle = field(default_factory=MethodStyle)
    best: bool = False  # not told apart from the best


def dot_plot_png(dots: Sequence[Dot], *, title: str, axis: str, note: str = "", chance: float | None = None) -> bytes:
    """`draw_dots`, as PNG."""
    return png_of(draw_dots(dots, title=title, axis=axis, note=note, chance=chance))


def draw_dots(dots: Sequence[Dot], *, title: str, axis: str, note: str = "", chance: float | None = None) -> Canvas:
    """Draw the dots from the top down, in the order in which they are given.

    Args:
        title: the measure.
        axis: what its values are, with their unit.
        note: a line below the title, such as which direction is better.
        chance: what a map that knows nothing gets.
    """
    shown = [dot for dot in dots if math.isfinite(dot.value)]
    height = HEAD + ROW * max(len(shown), 2) + FOOT
    margin = 0.12 + BOLD * LETTER * max((len(short(dot.name)) for dot in shown), default=2)
    canvas = canvas_of(WIDTH, height)
    axes = canvas.add_axes((margin / WIDTH, FOOT / height, 1 - (margin + 0.2) / WIDTH, 1 - (HEAD + FOOT) / height))
    rows = np.arange(len(shown))
    for row, dot in zip(rows, shown, strict=True):
        colour = dot.look.colour
        if dot.interval is not None:
            axes.plot(dot.interval, [row, row], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=2)
        axes.plot([dot.value], [row], "o", color=colour, markerfacecolor=dot.look.fill, markersize=5, zorder=3)
    if chance is not None and math.isfinite(chance):
        axes.axvline(chance, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        axes.annotate(
            "chance",
            (chance, 1),
            (2, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8,
            color=INK,
            va="bottom",
            ha="center",
        )
    if wide(shown, chance):
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
        axis = f"{axis}, logarithmic"
    axes.set_yticks(rows, [short(dot.name) for dot in shown])
    for label, dot in zip(axes.get_yticklabels(), shown, strict=True):
        label.set(color=dot.look.colour, fontsize=9, style=dot.look.slant, weight="bold" if dot.best else "normal")
        label.set_parse_math(False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    if not shown:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", color=DIM)
        axes.set_xticks([])
    axes.set_xlabel(axis, fontsize=9, parse_math=False)
    words: dict[str, Any] = {"va": "top", "parse_math": False}
    canvas.text(0.1 / WIDTH, 1 - 0.08 / height, title, fontsize=11, color=INK, **words)
    canvas.text(0.1 / WIDTH, 1 - 0.32 / height, note, fontsize=8, color=DIM, **words)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return canvas


def wide(dots: Sequence[Dot], chance: float | None = None) -> bool:
    """Whether the values need a logarithmic axis: far apart, and all above zero, with their intervals and chance."""
    values = [value for dot in dots for value in (dot.value, *(dot.interval or ()))]
    if not values or min(values) <= 0 or (chance is not None and chance <= 0):
        return False
    return bool(max(values) > WIDE * min(values))
