"""Dots and intervals: every method in its row, the chance line, and an axis that fits the values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from interpbench.report.benchmark.dot_plot import Dot, dot_plot_png, draw_dots, wide
from interpbench.report.drawing import MethodStyle

WORDS = {"title": "auc", "axis": "auc (no unit)", "note": "higher is better"}
DOTS = [
    Dot("unoise", 0.9, (0.8, 0.95), MethodStyle("#d55e00"), best=True),
    Dot("saliency+blur", 0.7, (0.6, 0.8), MethodStyle("#0072b2", hollow=True)),
    Dot("random", 0.5, None, MethodStyle("#8a8a8a")),
]


def test_each_method_has_its_row_its_interval_and_its_look() -> None:
    (axes,) = draw_dots(DOTS, **WORDS).axes
    markers = [line for line in axes.lines if line.get_marker() == "o"]
    spans = [line for line in axes.lines if line.get_marker() != "o"]
    assert [float(line.get_xdata()[0]) for line in markers] == [0.9, 0.7, 0.5]
    assert [list(line.get_xdata()) for line in spans] == [[0.8, 0.95], [0.6, 0.8]]
    assert [to_hex(line.get_markerfacecolor()) for line in markers] == ["#d55e00", "#ffffff", "#8a8a8a"]
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == ["unoise", "saliency+blur", "random"]
    assert [(label.get_weight(), label.get_style()) for label in labels] == [
        ("bold", "normal"),
        ("normal", "italic"),
        ("normal", "normal"),
    ]
    bottom, top = axes.get_ylim()
    assert bottom > top  # the first row is above


@pytest.mark.parametrize(("chance", "drawn"), [(0.5, True), (None, False), (math.nan, False)])
def test_the_chance_line_is_drawn_where_chance_is_known(chance: float | None, drawn: bool) -> None:
    (axes,) = draw_dots(DOTS, **WORDS, chance=chance).axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert bool(dashed) == drawn
    assert ("chance" in [text.get_text() for text in axes.texts]) == drawn
    assert not drawn or list(dashed[0].get_xdata()) == [0.5, 0.5]


def test_thirty_three_long_names_lie_apart_and_inside() -> None:
    dots = [Dot(f"smoothgradsquared{index:02d}+blur", index / 33, best=True) for index in range(33)]
    canvas = draw_dots(dots, **WORDS)
    canvas.canvas.draw()
    boxes = [label.get_window_extent() for label in canvas.axes[0].get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0
    rows = sorted((box.y0, box.y1) for box in boxes)
    assert all(low[1] <= high[0] + 1 for low, high in pairwise(rows))


def test_only_values_far_apart_and_above_zero_get_a_logarithmic_axis() -> None:
    assert wide([Dot("a", 0.01), Dot("b", 20.0)])
    assert not wide([Dot("a", 0.01, (0.0, 0.02)), Dot("b", 20.0)])
    assert not wide([Dot("a", -1.0), Dot("b", 20.0)])
    assert not wide([Dot("a", 0.5), Dot("b", 0.9)]) and not wide([])
    assert wide([Dot("a", 0.01), Dot("b", 20.0)], 0.5)
    (axes,) = draw_dots([Dot("a", 0.01), Dot("b", 20.0)], title="seconds", axis="seconds (s)").axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "seconds (s), logarithmic"


@pytest.mark.parametrize("chance", [0.0, -1.0])
def test_chance_at_zero_or_below_keeps_the_axis_linear_and_its_line_is_seen(chance: float) -> None:
    dots = [Dot("a", 0.01), Dot("b", 20.0)]
    assert not wide(dots, chance)
    (axes,) = draw_dots(dots, **WORDS, chance=chance).axes
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "linear" and low <= chance <= high


@pytest.mark.parametrize("dots", [[], [Dot("a", math.nan)], [Dot("a", math.inf)], [Dot("$x_", 1.0)]])
def test_whatever_there_is_makes_a_picture(dots: list[Dot]) -> None:
    assert dot_plot_png(dots, title="$", axis="$", note="$").startswith(b"\x89PNG")


def test_no_values_are_said() -> None:
    (axes,) = draw_dots([Dot("a", np.nan)], **WORDS).axes
    assert "no values" in [text.get_text() for text in axes.texts]
