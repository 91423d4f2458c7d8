"""Charts are PNG, whatever the values are."""

from __future__ import annotations

import dataclasses
import io
import math

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from interpbench.errors import UsageError
from interpbench.report.curves import Chart, Curve, chart_png, plain_numbers

EPOCHS = [1.0, 2.0, 3.0]


def test_a_chart_is_the_same_png_each_time() -> None:
    chart = Chart("Training", "epoch", "MAE (years)", [Curve("validation", EPOCHS, [3, 2, 1])], levels=[("mean", 2.5)])
    assert chart_png(chart).startswith(b"\x89PNG")
    assert chart_png(chart) == chart_png(chart)


def test_each_curve_has_a_colour_of_its_own() -> None:
    curves = [Curve("training", EPOCHS, [3, 2, 1]), Curve("validation", EPOCHS, [4, 3, 2])]
    pixels = imread(io.BytesIO(chart_png(Chart("Training", "epoch", "MAE (years)", curves))))
    blue, orange = pixels[..., 2] - pixels[..., 0], pixels[..., 0] - pixels[..., 2]
    assert (blue > 0.5).any() and (orange > 0.5).any()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[math.nan] * 3, [0.0, -1.0, math.inf], [1.0, math.nan, 3.0]])
def test_values_that_cannot_be_drawn_are_left_out(values: list[float], log: bool) -> None:
    assert chart_png(Chart("Loss", "epoch", "loss", [Curve("loss", EPOCHS, values)], log=log)).startswith(b"\x89PNG")


def test_a_chart_without_curves_says_so_and_does_not_fail() -> None:
    assert chart_png(Chart("Loss", "epoch", "loss", [])).startswith(b"\x89PNG")


@pytest.mark.parametrize(("low", "high"), [(15.4, 21.0), (0.5, 5000.0), (0.011, 0.014), (2.0, 90.0)])
def test_a_logarithmic_axis_has_plain_numbers_and_two_at_least(low: float, high: float) -> None:
    canvas = Figure()
    axes = canvas.add_subplot()
    axes.plot([1, 2], [low, high])
    axes.set_yscale("log")
    plain_numbers(axes.yaxis)
    canvas.draw_without_rendering()
    bottom, top = axes.get_ylim()
    places = [float(at) for at in axes.yaxis.get_majorticklocs()]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert [float(label) for label in labels] == pytest.approx(places)
    assert sum(bottom <= at <= top for at in places) >= 2
    assert not any(text.get_text() for text in axes.get_yticklabels(minor=True))


def test_lines_to_compare_with_are_drawn_each() -> None:
    curve = Curve("validation", EPOCHS, [3, 2, 1])
    pictures = [
        chart_png(Chart("Search", "noise", "error (years)", [curve], levels=levels))
        for levels in ([], [("without noise", 1.2)], [("without noise", 1.2), ("limit", 1.7)])
    ]
    assert len(set(pictures)) == 3


def test_a_ring_lies_around_the_point_to_look_at() -> None:
    chart = Chart("Search", "amount", "error", [Curve("r", EPOCHS, [3, 2, 1])])
    plain, ringed = (
        imread(io.BytesIO(chart_png(one))) for one in (chart, dataclasses.replace(chart, ring=("chosen", 2.0, 2.0)))
    )
    rows, columns = (abs(plain - ringed).sum(-1)[:, : plain.shape[1] // 2 + 60] > 0.5).nonzero()
    middle = (plain.shape[0] // 2, plain.shape[1] // 2)
    assert abs(rows.mean() - middle[0]) < 60
    assert abs(columns.mean() - middle[1]) < 60


def test_words_are_never_formulae() -> None:
    words = r"$\frac"
    assert chart_png(Chart(words, words, words, [Curve(words, EPOCHS, EPOCHS)])).startswith(b"\x89PNG")


def test_a_curve_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(UsageError, match="'loss' has 3 steps and 2 values"):
        chart_png(Chart("Loss", "epoch", "loss", [Curve("loss", EPOCHS, [1, 2])]))


def test_settings_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    chart_png(Chart("Loss", "epoch", "loss", [Curve("loss", EPOCHS, EPOCHS)], log=True))
    assert dict(mpl.rcParams) == before
