"""Figures of one column: as many digits as are known, the same for all, and no 0 that is none."""

from __future__ import annotations

import pytest

from interpbench.report.benchmark.digits import alike


@pytest.mark.parametrize(
    ("figures", "texts"),
    [
        ([1.234, 0.05, -0.05], ["1.23", "0.05", "-0.05"]),
        ([0.5, 0.1234], ["0.500", "0.123"]),
        ([0.0501, 0.02], ["0.0501", "0.0200"]),
        ([250.04, 100.5], ["250", "100"]),
        ([2.17, 0.00853], ["2.170", "0.009"]),  # one digit of the smallest
        ([1.234, -0.0004], ["1.234", "-4e-04"]),
        ([14.26, 0.0, -0.0], ["14.3", "0.0", "0.0"]),
        ([253.0, 1.0, 0.0], ["253", "1", "0"]),
        ([1e-7, 0.0, 2.5e-9], ["1.00e-07", "0", "2.50e-09"]),
        ([2.5e6, 12.0], ["2.50e+06", "1.20e+01"]),
        ([0.9, 1e-17], ["0.900", "0.000"]),  # 0 but for rounding
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_figures_without_intervals_have_three_digits_of_the_largest(figures: list[float], texts: list[str]) -> None:
    write = alike(figures)
    assert [write(one) for one in figures] == texts


@pytest.mark.parametrize(
    ("width", "text"),
    [(3.0, "4.50"), (0.5, "4.50"), (0.03, "4.500"), (0.004, "4.5000"), (1e-9, "4.5000"), (0.0, "4.50")],
)
def test_a_narrow_interval_brings_digits_and_a_wide_one_takes_none(width: float, text: str) -> None:
    assert alike([4.5, 4.4], [(4.5 - width / 2, 4.5 + width / 2)])(4.5) == text


def test_the_typical_interval_decides_and_not_the_narrowest() -> None:
    intervals = [(0.8, 0.95), (0.7, 0.8), (0.94300001, 0.94300002)]
    assert alike([0.9, 0.75, 0.943], intervals)(0.943) == "0.943"


def test_a_mean_near_zero_leaves_the_digits_of_the_others_as_they_are() -> None:
    intervals = [(3.2, 5.9), (2.0, 4.4), (-0.3, 0.3)]
    with_zero, without = alike([4.5, 3.1, 0.00001], intervals), alike([4.5, 3.1, 0.2], intervals)
    assert with_zero(4.5) == without(4.5) == "4.50" and with_zero(0.00001) == "1e-05"


def test_nothing_is_a_dash() -> None:
    for write in (alike([]), alike([1e-9]), alike([1.5])):
        assert write(None) == "\N{EN DASH}"
