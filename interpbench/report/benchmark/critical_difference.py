"""The critical-difference plot (Demsar 2006, JMLR 7:1-30, Fig. 1): mean ranks on an axis, bars over what is tied.

Demsar joins methods whose mean ranks differ by less than one critical difference. Here the groups are given, by
whatever test told the methods apart, and a group may skip a method that lies between its members: dots on the bar
mark who belongs to it. Many methods make more groups than anybody can read: then only those of the best are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from interpbench.errors import UsageError
from interpbench.report.drawing import DIM, INK, LETTER, MethodStyle, canvas_of, png_of, short

AXIS, ROW, LEVEL, HEAD, FOOT = 5.4, 0.19, 0.11, 0.95, 0.12  # inches: axis, line of a name, bar, above and below
BAR = "#4a4a4a"
MOST = 12  # bars; of more groups only those of the best method are drawn


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of methods in one measure, 1 the best, and groups of methods that are not distinguished."""

    title: str
    ranks: Mapping[str, float]
    groups: Sequence[Sequence[str]] = ()  # of names; maximal sets whose members are not told apart
    looks: Mapping[str, MethodStyle] = field(default_factory=dict)
    note: str = ""  # a line below the title


def critical_difference_png(ranks: Ranks) -> bytes:
    """`draw_ranks`, as PNG."""
    return png_of(draw_ranks(ranks))


def draw_ranks(ranks: Ranks) -> Canvas:
    """Draw mean ranks, the best at the left; names left and right, so that none lies on another.

    Raises:
        UsageError: fewer than two methods have a rank, or a rank is not finite.
    """
    names = sorted(ranks.ranks, key=lambda name: (ranks.ranks[name], name))
    if len(names) < 2 or not all(math.isfinite(rank) for rank in ranks.ranks.values()):
        raise UsageError(f"{ranks.title}: a plot of ranks needs finite ranks of two methods, got {dict(ranks.ranks)}.")
    half = math.ceil(len(names) / 2)
    groups = _groups(ranks)
    chosen = groups if len(groups) <= MOST else [group for group in groups if names[0] in group][:MOST]
    bars = _stacked(ranks, chosen)
    levels = 1 + max((level for level, _ in bars), default=-1)
    margin = 0.3 + LETTER * max(len(_label(name, ranks)) for name in names)
    width, bottom = AXIS + 2 * margin, levels * LEVEL + 0.16
    height = HEAD + bottom + half * ROW + FOOT
    canvas = canvas_of(width, height)
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    # In inches, y downwards from the axis of ranks.
    axes.set_xlim(0, width)
    axes.set_ylim(height - HEAD, -HEAD)

    last = float(max(len(names), math.ceil(max(ranks.ranks.values()))))

    def place(rank: float) -> float:
        return margin + AXIS * (rank - 1) / (last - 1)

    _draw_axis(axes, ranks, place(1), place(last), last)
    if len(chosen) < len(groups):
        told = (
            (f"{len(chosen)} to which {short(names[0])} belongs")
            if chosen
            else "none, because the best rank has no bar"
        )
        told = f"{len(groups)} bars are too many to read; drawn: {told}"
        axes.text(0.1, 0.5 - HEAD, told, fontsize=8, va="top", color=DIM, parse_math=False)
    for index, name in enumerate(names):
        left = index < half
        y = bottom + ROW * ((index if left else len(names) - 1 - index) + 0.5)
        _draw_name(axes, ranks, name, place(ranks.ranks[name]), y, margin - 0.08 if left else width - margin + 0.08)
    for level, members in bars:
        y = 0.13 + level * LEVEL
        places = [place(ranks.ranks[name]) for name in members]
        axes.plot([min(places), max(places)], [y, y], color=BAR, linewidth=1.8, zorder=3)
        axes.plot(places, [y] * len(places), "o", color=BAR, markersize=3.4, zorder=3)
    return canvas


def _draw_axis(axes: Axes, ranks: Ranks, start: float, end: float, last: float) -> None:
    axes.plot([start, end], [0, 0], color=INK, linewidth=1)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, last) if (last - 1) / step <= 12)
    ticks = [1.0, *[tick for tick in range(0, int(last) + 1, int(step)) if tick > 1]]
    for tick in ticks:
        x = start + (end - start) * (tick - 1) / (last - 1)
        axes.plot([x, x], [-0.06, 0], color=INK, linewidth=1)
        axes.text(x, -0.09, f"{tick:g}", fontsize=8, ha="center", va="bottom", color=INK)
    axes.text(0.1, -HEAD + 0.1, ranks.title, fontsize=11, va="top", color=INK, parse_math=False)
    axes.text(0.1, -HEAD + 0.34, ranks.note, fontsize=8, va="top", color=DIM, parse_math=False)
    axes.text(start - 0.12, 0, "best", fontsize=8, ha="right", va="center", color=DIM)
    axes.text(end + 0.12, 0, "worst", fontsize=8, ha="left", va="center", color=DIM)


def _draw_name(axes: Axes, ranks: Ranks, name: str, x: float, y: float, end: float) -> None:
    look = ranks.looks.get(name, MethodStyle())
    axes.plot([x, x, end], [0, y, y], color=look.colour, linewidth=0.8, zorder=1)
    axes.plot([x], [0], "o", color=look.colour, markerfacecolor=look.fill, markersize=4.5, zorder=4)
    towards = -0.05 if end < x else 0.05
    side = "right" if end < x else "left"
    axes.text(
        end + towards,
        y,
        _label(name, ranks),
        fontsize=9,
        ha=side,
        va="center",
        color=look.colour,
        style=look.slant,
        parse_math=False,
    )


def _label(name: str, ranks: Ranks) -> str:
    return f"{short(name)}  {ranks.ranks[name]:.1f}"


def _groups(ranks: Ranks) -> list[list[str]]:
    """Groups of two and more among those that have a rank."""
    known = [[name for name in group if name in ranks.ranks] for group in ranks.groups]
    return [group for group in known if len(group) > 1]


def _stacked(ranks: Ranks, groups: Sequence[Sequence[str]]) -> list[tuple[int, Sequence[str]]]:
    """Groups, each on the highest level where it touches no other."""
    spans = sorted(
        (min(ranks.ranks[name] for name in group), max(ranks.ranks[name] for name in group), group) for group in groups
    )
    gap = 0.02 * len(ranks.ranks)
    ends: list[float] = []
    stacked = []
    for low, high, group in spans:
        level = next((index for index, end in enumerate(ends) if end + gap < low), len(ends))
        ends[level : level + 1] = [high]
        stacked.append((level, group))
    return stacked
