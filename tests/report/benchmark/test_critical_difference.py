"""Mean ranks on an axis: every name readable, every group's members marked, nothing hidden."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from interpbench.errors import UsageError
from interpbench.report.benchmark.critical_difference import BAR, MOST, Ranks, critical_difference_png, draw_ranks
from interpbench.report.drawing import MethodStyle


def methods(count: int) -> list[str]:
    return [f"integratedgradients{index:02d}+blur" for index in range(count)]


def texts(canvas: Figure) -> dict[str, Text]:
    (axes,) = canvas.axes
    return {text.get_text(): text for text in axes.texts if text.get_text()}


def bars(canvas: Figure) -> list[list[float]]:
    """Where the members' dots of each bar lie."""
    (axes,) = canvas.axes
    dotted = [line for line in axes.lines if line.get_color() == BAR and line.get_marker() == "o"]
    return [sorted(float(x) for x in line.get_xdata()) for line in dotted]


def heights(canvas: Figure) -> list[float]:
    (axes,) = canvas.axes
    return [float(line.get_ydata()[0]) for line in axes.lines if line.get_color() == BAR and line.get_marker() == "o"]


@pytest.mark.parametrize("count", [2, 5, 33, 60])
@pytest.mark.parametrize("spread", ["even", "tied", "random"])
def test_no_name_lies_on_another_or_leaves_the_picture(count: int, spread: str) -> None:
    names = methods(count)
    ranks = {
        "even": np.arange(1, count + 1),
        "tied": np.full(count, (count + 1) / 2),
        "random": 1 + (count - 1) * np.random.default_rng(count).random(count),
    }[spread]
    canvas = draw_ranks(Ranks("auc: mean ranks", dict(zip(names, map(float, ranks), strict=True)), [names]))
    boxes = [text.get_window_extent() for text in texts(canvas).values()]
    assert len(boxes) >= count + 3
    width, height = canvas.get_size_inches() * canvas.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    overlaps = [(a, b) for a in range(len(boxes)) for b in range(a) if boxes[a].shrunk(0.9, 0.8).overlaps(boxes[b])]
    assert overlaps == []


def test_the_best_is_at_the_left_and_highest_on_its_side() -> None:
    canvas = draw_ranks(Ranks("auc", {"third": 3.0, "first": 1.2, "second": 1.8, "last": 4.0}))
    first, second, last, third = (
        texts(canvas)[word] for word in ("first  1.2", "second  1.8", "last  4.0", "third  3.0")
    )
    assert first.get_position()[0] < last.get_position()[0]
    assert first.get_position()[1] < second.get_position()[1]  # downwards
    assert last.get_position()[1] < third.get_position()[1]


def test_a_bar_has_a_dot_for_each_member_and_none_for_a_method_between_them() -> None:
    ranks = {"a": 1.0, "b": 2.0, "c": 3.0}
    with_gap, without = (bars(draw_ranks(Ranks("auc", ranks, [group]))) for group in (["a", "c"], ["a", "b", "c"]))
    assert len(with_gap[0]) == 2 and len(without[0]) == 3
    assert with_gap[0][0] == without[0][0] and with_gap[0][-1] == without[0][-1]


def test_bars_that_touch_lie_on_levels_of_their_own_and_others_share_one() -> None:
    ranks = dict(zip("abcdef", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), strict=True))
    apart = draw_ranks(Ranks("auc", ranks, [["a", "b"], ["d", "e"]]))
    touching = draw_ranks(Ranks("auc", ranks, [["a", "b", "c"], ["c", "d"], ["e", "f"]]))
    assert len(set(heights(apart))) == 1
    assert len(set(heights(touching))) == 2


def test_a_group_of_one_or_of_strangers_is_no_bar() -> None:
    assert bars(draw_ranks(Ranks("auc", {"a": 1.0, "b": 2.0}, [["a"], ["b", "nobody"]]))) == []


def of_pairs(best: str) -> Ranks:
    """More groups of two than can be read, and two of three to which the best belongs."""
    names = ["best", *(f"m{index}" for index in range(MOST + 2))]
    pairs = [[a, b] for a, b in pairwise(names[3:])] + [names[1:4]]
    groups = [*pairs, [best, "m1", "m3"], [best, "m2", "m4"]]
    return Ranks("auc", {name: index + 1.0 for index, name in enumerate(names)}, groups, note="1 is best")


def test_of_more_bars_than_can_be_read_those_of_the_best_are_drawn_and_that_is_said() -> None:
    canvas = draw_ranks(of_pairs("best"))
    assert [len(one) for one in bars(canvas)] == [3, 3]
    assert "14 bars are too many to read; drawn: 2 to which best belongs" in texts(canvas)
    none = draw_ranks(of_pairs("m0"))
    assert bars(none) == [] and "14 bars are too many to read; drawn: none, because the best rank has no bar" in texts(
        none
    )
    boxes = [text.get_window_extent() for text in texts(canvas).values()]
    assert not any(a.shrunk(0.9, 0.8).overlaps(b) for a, b in combinations(boxes, 2))


def test_as_many_bars_as_can_be_read_are_all_drawn() -> None:
    names = [f"m{index}" for index in range(MOST + 1)]
    ranks = {name: index + 1.0 for index, name in enumerate(names)}
    assert len(bars(draw_ranks(Ranks("auc", ranks, [list(one) for one in pairwise(names)])))) == MOST


def test_words_are_never_formulae() -> None:
    words = r"$\frac"
    ranks = Ranks(words, {words: 1.0, "_b": 2.0}, [[words, "_b"]], {words: MethodStyle(hollow=True)}, words)
    assert critical_difference_png(ranks).startswith(b"\x89PNG")
    assert critical_difference_png(ranks) == critical_difference_png(ranks)


@pytest.mark.parametrize("ranks", [{}, {"a": 1.0}, {"a": 1.0, "b": math.nan}])
def test_ranks_that_cannot_be_drawn_are_refused(ranks: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="auc: a plot of ranks needs finite ranks of two methods"):
        draw_ranks(Ranks("auc", ranks))
