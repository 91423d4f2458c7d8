"""Columns of any figures: one number of digits, no figure farther off than its last digit, and no false 0."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from interpbench.report.benchmark.digits import LEAST, MOST, ROUNDING, alike

FIGURES = some.lists(some.floats(-9e4, 9e4), min_size=1, max_size=8)


def digits_of(text: str) -> int:
    return len(text.partition(".")[2])


@given(FIGURES)
@example([999.9996])
@example([0.0099996, 0.5])
@example([-0.0, 0.3])
def test_no_figure_is_farther_off_than_half_of_its_last_digit(figures: list[float]) -> None:
    write = alike(figures)
    for one in figures:
        text = write(one)
        if "e" in text:
            assert float(text) == pytest.approx(one, rel=0.5)
        else:
            assert abs(float(text) - one) <= 0.5 * 10.0 ** -digits_of(text) * (1 + 1e-9)


@given(FIGURES)
def test_all_that_is_written_without_a_power_of_ten_has_the_same_digits(figures: list[float]) -> None:
    write = alike(figures)
    plain = [text for text in map(write, figures) if "e" not in text and float(text) != 0]
    assert len({digits_of(text) for text in plain}) <= 1


@given(FIGURES)
@example([1.0, 1e-4])
@example([1.0, 1e-12])
def test_only_what_is_0_but_for_rounding_reads_as_0_and_never_with_a_sign(figures: list[float]) -> None:
    write, largest = alike(figures), max(map(abs, figures))
    for one in figures:
        text = write(one)
        if float(text) == 0:
            assert not text.startswith("-") and abs(one) <= ROUNDING * largest
        else:
            assert (float(text) < 0) is (one < 0)


@given(FIGURES)
def test_the_sign_of_a_column_changes_no_digit(figures: list[float]) -> None:
    write, mirrored = alike(figures), alike([-one for one in figures])
    assert [write(abs(one)) for one in figures] == [mirrored(abs(one)) for one in figures]


@given(some.lists(some.floats(LEAST, MOST, exclude_max=True), min_size=1, max_size=6))
def test_the_largest_figure_has_at_least_three_digits(figures: list[float]) -> None:
    largest = max(figures)
    text = alike(figures)(largest)
    assert "e" not in text
    if not all(one.is_integer() for one in figures):
        assert len(text.replace(".", "").lstrip("0")) >= 3


@pytest.mark.parametrize(("figures", "text"), [([LEAST], "0.00100"), ([MOST - 1], "99999"), ([MOST], "1.00e+05")])
def test_the_column_changes_to_powers_of_ten_at_its_bounds(figures: list[float], text: str) -> None:
    assert alike(figures)(figures[0]) == text


@pytest.mark.parametrize(
    ("figures", "interval", "texts"),
    [
        ([3.0, 4.0], (2.0, 5.0), ["3", "4"]),  # whole throughout
        ([3.0, 4.0], (2.5, 5.0), ["3.00", "4.00"]),  # an end is not
        ([0.5, 0.4], (0.5, 0.5), ["0.500", "0.400"]),  # no width says nothing
        ([0.5, 0.4], (-2e5, 2e5), ["5.00e-01", "4.00e-01"]),  # an end is large
    ],
)
def test_the_ends_of_intervals_belong_to_the_column(
    figures: list[float], interval: tuple[float, float], texts: list[str]
) -> None:
    write = alike(figures, [interval])
    assert [write(one) for one in figures] == texts
