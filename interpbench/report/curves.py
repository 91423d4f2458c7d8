"""Curves of a training, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from interpbench.errors import UsageError

# Told apart by the colour-blind too (Okabe and Ito), and by their strokes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
STROKES = ("-", "--", "-.", ":")
LEVEL_STROKES = ((0, (4, 2)), (0, (1, 1)))


@dataclass(frozen=True)
class Curve:
    """One line: `values` over `steps`. What is NaN or infinite is left out of the line."""

    label: str
    steps: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes. The axes' names hold their units, as in `MAE (years)`."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    log: bool = False  # of the vertical axis
    levels: Sequence[tuple[str, float]] = ()  # lines to compare with, such as the error of predicting the mean
    ring: tuple[str, float, float] | None = None  # a point to look at: its name, step and value


def chart_png(chart: Chart) -> bytes:
    """Draw a chart.

    Raises:
        UsageError: a curve has not as many values as steps.
    """
    canvas = Canvas(figsize=(5.6, 3.4), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    drawn = False
    for index, curve in enumerate(chart.curves):
        if len(curve.steps) != len(curve.values):
            raise UsageError(f"Curve {curve.label!r} has {len(curve.steps)} steps and {len(curve.values)} values.")
        values = np.asarray(curve.values, dtype=float)
        shown = np.isfinite(values) & ((values > 0) | (not chart.log))
        drawn |= bool(shown.any())
        axes.plot(
            np.asarray(curve.steps, dtype=float),
            np.where(shown, values, np.nan),
            color=COLOURS[index % len(COLOURS)],
            linestyle=STROKES[index % len(STROKES)],
            marker="o" if len(values) <= 30 else "",
            markersize=3,
            label=_plain(curve.label),
        )
    for (label, value), stroke in zip(chart.levels, LEVEL_STROKES, strict=False):
        axes.axhline(value, color="0.3", linewidth=1.2, linestyle=stroke, label=_plain(label))
    if chart.ring is not None:
        label, step, value = chart.ring
        axes.plot([step], [value], "o", color="black", fillstyle="none", markersize=11, label=_plain(label))
    if chart.log and drawn:
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)
    if not drawn:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color="0.4")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(chart.title, fontsize=11, loc="left", parse_math=False)
    axes.set_xlabel(chart.x, parse_math=False)
    axes.set_ylabel(chart.y, parse_math=False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if chart.curves or chart.levels:
        axes.legend(frameon=False, fontsize=9)
    image = io.BytesIO()
    canvas.savefig(image, dpi=150, format="png")
    return image.getvalue()


def plain_numbers(axis: Axis) -> None:
    """Write a logarithmic axis's numbers as 17.5 and not as powers; within one power of ten, at equal distances."""
    low, high = axis.get_view_interval()
    if high < 10 * low:
        axis.set_major_locator(MaxNLocator(5))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _plain(label: str) -> str:
    """A label that matplotlib takes as it is: no formula between dollars, and never a hidden one."""
    return label.replace("$", r"\$").lstrip("_")
