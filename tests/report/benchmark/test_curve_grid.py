"""Curves in panels: who has a colour, who is pale, where bands lie, and one legend for all."""

from __future__ import annotations

import math
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from interpbench.errors import UsageError
from interpbench.report.benchmark.curve_grid import MOST, PALE, Line, Panel, curve_grid_png, draw_curves
from interpbench.report.curves import COLOURS

STEPS = [0.0, 10.0, 50.0]


def line(name: str, values: list[float] | None = None, width: float | None = 0.5) -> Line:
    given = values or [0.0, 1.0, 2.0]
    bounds = [None if width is None else (value - width, value + width) for value in given]
    return Line(name, STEPS, given, bounds)


def panel(*lines: Line, **changes: Any) -> Panel:
    return Panel(**{"title": "morf_zero", "x": "hidden (%)", "y": "years", "lines": lines, **changes})


def colours(axes: Axes) -> list[str]:
    return [to_hex(one.get_color()) for one in axes.lines]


def words(panels: list[Panel], **given: Any) -> list[str]:
    return [text.get_text() for legend in draw_curves(panels, **given).legends for text in legend.get_texts()]


def test_names_have_one_colour_and_stroke_in_every_panel_and_the_others_are_pale() -> None:
    first, second = panel(line("a"), line("b"), line("c")), panel(line("b"), line("a"))
    canvas = draw_curves([first, second], coloured=["a", "b"])
    one, other = (colours(axes) for axes in canvas.axes)
    assert one[:2] == other[::-1] and one[0] != one[1] and one[2] == PALE
    strokes = [drawn.get_linestyle() for drawn in canvas.axes[0].lines]
    assert strokes[0] != strokes[1]


def test_floors_are_grey_and_the_legend_names_all_but_the_pale() -> None:
    given = [panel(line("a"), line("random"), line("c"), line("d"))]
    grey = to_hex(draw_curves(given, coloured=["a"], floors=["random"]).axes[0].lines[1].get_color())
    assert grey[1:3] == grey[3:5] == grey[5:7]
    assert words(given, coloured=["a", "absent"], floors=["random"]) == ["a", "random (floor)", "others (2)"]


def test_a_floor_with_a_colour_of_its_own_stands_in_the_legend_once() -> None:
    given = [panel(line("a"), line("random"), line("c"))]
    assert words(given, coloured=["random", "a", "a"], floors=["random"]) == ["random (floor)", "a", "others (1)"]
    first, second, _ = draw_curves(given, coloured=["random", "a", "a"], floors=["random"]).axes[0].lines
    assert to_hex(first.get_color()) == to_hex(COLOURS[1]) and to_hex(second.get_color()) == to_hex(COLOURS[0])


def test_only_banded_names_with_bounds_have_a_band() -> None:
    (axes,) = draw_curves(
        [panel(line("a"), line("b"), line("c", width=None))], coloured=["a", "b", "c"], banded=["a", "c"]
    ).axes
    (band, empty) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (-0.5, 2.5)
    assert not empty.get_paths() or not len(empty.get_paths()[0].vertices)


def test_panels_of_one_axis_share_it_and_it_holds_every_line_and_band() -> None:
    many = [
        panel(line("a"), axis="x"),
        panel(line("a", [0.0, 5.0, 9.0]), axis="x"),
        panel(line("a"), axis="y"),
    ]
    first, second, alone = (axes.get_ylim() for axes in draw_curves(many, coloured=["a"], banded=["a"]).axes)
    assert first == second and first[0] <= -0.5 and first[1] >= 9.5
    assert alone[1] < 5


def test_the_legend_lies_inside_the_picture_and_above_the_panels() -> None:
    names = [f"smoothgradsquared_of_somebody_{index}" for index in range(MOST)]
    floors = [f"floor_{index}" for index in range(5)]
    canvas = draw_curves([panel(*map(line, (*names, *floors, "other")))] * 2, coloured=names, floors=floors, columns=2)
    canvas.canvas.draw()
    box = canvas.legends[0].get_window_extent()
    width, height = canvas.get_size_inches() * canvas.dpi
    assert box.x1 <= width and box.y1 <= height + 1
    assert box.y0 >= max(axes.get_tightbbox().y1 for axes in canvas.axes) - 8


@pytest.mark.parametrize("values", [[math.nan] * 3, [math.inf, 1.0, math.nan], [0.0, 0.0, 0.0]])
def test_values_that_cannot_be_drawn_are_left_out(values: list[float]) -> None:
    given = [panel(line("$a", values), line("_b", values), title="$", x="$", y="$", note="$", axis="x")] * 2
    assert curve_grid_png(given, coloured=["$a"], floors=["_b"]).startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 7 colours, got 0 and 0"):
        draw_curves([], coloured=[])
    with pytest.raises(UsageError, match="got 1 and 8"):
        draw_curves([panel(line("a"))], coloured=list("abcdefgh"))
    with pytest.raises(UsageError, match="'a': 3 steps do not go with 2 values"):
        draw_curves([panel(Line("a", STEPS, [1.0, 2.0]))], coloured=["a"])
