"""Charts of odd curves: nothing warns, and every curve that was given stands in the legend by its own name."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from interpbench.report.curves import Chart, Curve, chart_png


def chart(*curves: Curve, **other: Any) -> Chart:
    return Chart("title", "epoch", "MAE (years)", curves, **other)


@pytest.fixture
def legend(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names in the legend of the chart that is drawn."""
    names = list[str]()
    made = Axes.legend

    def noted(self: Axes, **settings: Any) -> Any:
        found = made(self, **settings)
        names.extend(text.get_text() for text in found.get_texts())
        return found

    monkeypatch.setattr(Axes, "legend", noted)
    return names


@pytest.mark.parametrize(
    ("label", "shown"),
    [("plain", "plain"), ("_hidden", "hidden"), ("__twice", "twice"), ("$x$", r"\$x\$"), ("in_side", "in_side")],
)
def test_every_curve_stands_in_the_legend(label: str, shown: str, legend: list[str]) -> None:
    levels = [(f"{label} level", 1.0)]
    chart_png(chart(Curve(label, [1, 2], [1.0, 2.0]), levels=levels, ring=(f"{label} ring", 1, 1.0)))
    assert legend == [shown, f"{shown} level", f"{shown} ring"]


ODD: dict[str, dict[str, Any]] = {
    "no values": {"curves": [Curve("a", [], [])]},
    "all NaN": {"curves": [Curve("a", [1, 2], [math.nan, math.nan])]},
    "one value": {"curves": [Curve("a", [1], [3.0])]},
    "infinite ones": {"curves": [Curve("a", [1, 2, 3], [1.0, math.inf, -math.inf])]},
    "huge and tiny ones": {"curves": [Curve("a", [1, 2], [1e-30, 1e30])]},
    "all alike": {"curves": [Curve("a", [1, 2], [5.0, 5.0])]},
    "many curves": {"curves": [Curve(str(at), [1, 2], [at, at + 1.0]) for at in range(12)]},
    "more than thirty steps": {"curves": [Curve("a", range(40), np.arange(40.0) + 1)]},
    "a level alone": {"curves": [], "levels": [("mean", 2.0)]},
    "a level of NaN": {"curves": [Curve("a", [1, 2], [1.0, 2.0])], "levels": [("mean", math.nan)]},
    "a level of zero": {"curves": [Curve("a", [1, 2], [1.0, 2.0])], "levels": [("mean", 0.0)]},
    "a ring beyond all values": {"curves": [Curve("a", [1, 2], [1.0, 2.0])], "ring": ("best", 9, -5.0)},
}


PLAIN = ("no values", "infinite ones", "a level of NaN")


@pytest.mark.parametrize(("name", "log"), [*((name, True) for name in ODD), *((name, False) for name in PLAIN)])
def test_odd_curves_make_a_picture_without_a_warning(name: str, log: bool) -> None:
    given = dict(ODD[name])
    image = imread(io.BytesIO(chart_png(chart(*given.pop("curves"), log=log, **given))))
    assert image.shape == (510, 840, 4)
    assert image[..., :3].min() < 0.5  # something is drawn


@pytest.mark.parametrize("values", [[1.0, -1.0, 2.0], [0.0, 1.0, 2.0]])
def test_on_an_axis_of_powers_what_is_not_above_zero_is_left_out(values: list[float]) -> None:
    shown = chart(Curve("a", [1, 2, 3], [one if one > 0 else math.nan for one in values]), log=True)
    assert chart_png(chart(Curve("a", [1, 2, 3], values), log=True)) == chart_png(shown)
    assert chart_png(chart(Curve("a", [1, 2, 3], values))) != chart_png(chart(*shown.curves))
