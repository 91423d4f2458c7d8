"""Figures in words at the edges: where a power of ten begins, at zero, without a value, in every unit."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpbench.comparison.wording import amount, between, chance, counted, estimate, label, listed, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(999.4, "999", id="three digits"),
        pytest.param(999.5, "1000", id="rounded up to four digits"),
        pytest.param(-999.96, "-1000", id="the same below zero"),
        pytest.param(1000.4, "1000", id="four digits"),
        pytest.param(123456.7, "123457", id="no point in large numbers"),
        pytest.param(9999999.4, "9999999", id="the largest without a power"),
        pytest.param(1e7, "1e+07", id="the smallest with one"),
        pytest.param(0.00012345, "0.000123", id="small"),
        pytest.param(0.00001, "1e-05", id="very small"),
        pytest.param(-0.0, "0", id="minus zero is zero"),
        pytest.param(0, "0", id="a whole zero"),
        pytest.param(True, "1", id="a yes"),
        pytest.param(math.inf, "n/a", id="infinite"),
        pytest.param(-math.inf, "n/a", id="minus infinite"),
        pytest.param(math.nan, "n/a", id="not a number"),
    ],
)
def test_a_number_has_three_digits_and_a_power_of_ten_only_where_it_must(value: float, text: str) -> None:
    assert three_digits(value) == text


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e7, 1e7, exclude_min=True, exclude_max=True))
def test_what_is_written_is_the_value_to_three_digits(value: float) -> None:
    text = three_digits(value)
    assert float(text) == pytest.approx(value, rel=0.005, abs=1e-300)
    assert abs(value) < 1e-4 or re.fullmatch(r"-?\d+(\.\d+)?", text)
    assert not re.fullmatch(r"-0(\.0*)?", text)


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_of_two_numbers_the_larger_never_reads_as_the_smaller(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert float(three_digits(low)) <= float(three_digits(high))


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "p < 0.001"), (0.000999, "p < 0.001"), (0.001, "p = 0.001"), (0.0449, "p = 0.045"), (1, "p = 1")],
)
def test_p_is_exact_from_a_thousandth_on(p: float, text: str) -> None:
    assert chance(p) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 subjects"), (1, "1 subject"), (2, "2 subjects"), (21, "21 subjects")]
)
def test_only_one_is_singular(count: int, text: str) -> None:
    assert counted(count, "subject") == text


@pytest.mark.parametrize("most", [1, 2, 6])
@pytest.mark.parametrize("length", range(11))
def test_a_list_names_or_counts_everybody_and_never_counts_one_alone(length: int, most: int) -> None:
    names = [f"method{at}" for at in range(length)]
    text = listed(names, most)
    named = re.findall(r"method\d+", text)
    more = re.search(r" and (\d+) more$", text)
    assert named == names[: len(named)]
    assert len(named) + (int(more[1]) if more else 0) == length
    assert more is None or (int(more[1]) >= 2 and len(named) == most)


def test_an_estimate_without_an_interval_says_so_and_keeps_unit_and_n() -> None:
    assert estimate({"mean": 2.5, "interval": None, "n": 2}, "years") == "2.5 years (no interval, n = 2)"
    assert estimate({"mean": -0.0, "interval": [-0.5, 0.0], "n": 7}, "") == "0 (95 % interval -0.5 to 0, n = 7)"
    assert between(None) == "no interval"
    assert amount(None, "years") == "n/a years"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        pytest.param({"question": "where is it?"}, "m (where is it?; higher is better)", id="question"),
        pytest.param({"help": "Where it is."}, "m (Where it is; higher is better)", id="help without its full stop"),
        pytest.param({"question": "", "help": "why"}, "m (why; higher is better)", id="an empty question"),
        pytest.param({}, "m (higher is better)", id="nothing"),
        pytest.param({"chance": 0.0}, "m (higher is better, chance 0)", id="chance of zero"),
        pytest.param({"chance": None, "question": "so"}, "m (so; higher is better)", id="no chance"),
    ],
)
def test_a_label_has_what_is_asked_the_direction_and_chance(told: dict[str, object], text: str) -> None:
    assert label({"name": "m", "direction": "higher", **told}) == text
