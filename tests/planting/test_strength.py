"""The strength for a share of explained variance: where closed forms say, never above the largest, of few digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from interpbench.planting.strength import DIGITS, KNOTS, between, rounded_down, strength_for

PLACES = (0.0, *KNOTS)

CURVES = {
    "a line": (lambda s: s, lambda r: r),
    "a square": (lambda s: s * s, math.sqrt),
    "a root": (math.sqrt, lambda r: r * r),
    "signal to noise": (lambda s: s * s / (s * s + 0.1), lambda r: math.sqrt(0.1 * r / (1 - r))),
    "late": (lambda s: max(0.0, 4 * s - 3), lambda r: (r + 3) / 4),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("asked", [0.01, 0.2, 0.5, 0.85])
def test_the_strength_is_where_the_curve_reaches_what_is_asked(curve: str, asked: float) -> None:
    rises, inverse = CURVES[curve]
    found = strength_for(asked, PLACES, rises)
    assert found.reached and found.strength == pytest.approx(inverse(asked), rel=2e-3)
    assert found.r2 == rises(found.strength)


def test_of_a_curve_that_falls_again_the_first_crossing_is_taken() -> None:
    found = strength_for(0.5, PLACES, lambda s: math.sin(math.pi * s))
    assert found.strength == pytest.approx(1 / 6, rel=2.5e-3)


def test_a_step_between_two_knots_is_found() -> None:
    found = strength_for(0.5, PLACES, lambda s: float(s >= 0.3125))
    assert found.reached and found.strength == pytest.approx(0.3125, rel=2e-3)


@pytest.mark.parametrize("knots", [PLACES, (0.0, 0.36), (0.0, 1e-4, 3.3e-4), (0.0, 123.456, 4567.8)])
def test_what_a_largest_strength_just_reaches_is_reached_and_not_passed(knots: tuple[float, ...]) -> None:
    found = strength_for(1.0, knots, lambda s: s / knots[-1])
    assert found.reached and 0.99 * knots[-1] < found.strength <= knots[-1]


@pytest.mark.parametrize("knots", [PLACES, (0.0, 0.36), (0.0, 1e-4, 3.3e-4), (0.0, 123.456, 4567.8)])
def test_what_nothing_reaches_gets_the_largest_strength_and_says_so(knots: tuple[float, ...]) -> None:
    found = strength_for(0.9, knots, lambda s: 0.5)
    assert not found.reached and found.r2 == 0.5 and found.strength == rounded_down(knots[-1])


@pytest.mark.parametrize("knots", [PLACES, (0.0, 7e-5, 9e-5)])
def test_a_strength_of_0_is_found_where_nothing_has_to_be_added(knots: tuple[float, ...]) -> None:
    found = strength_for(0.3, knots, lambda s: 0.3 + s)
    assert (found.strength, found.r2, found.reached) == (0.0, 0.3, True)


def test_nobody_is_asked_beyond_the_largest_strength_or_very_often() -> None:
    seen: list[float] = []

    def r2_at(strength: float) -> float:
        seen.append(strength)
        return strength

    strength_for(0.777, PLACES, r2_at)
    assert min(seen) >= 0 and max(seen) <= 1 and len(seen) < 40


@given(some.floats(1e-12, 1e12))
def test_a_number_rounded_down_is_below_near_and_short(value: float) -> None:
    found = rounded_down(value)
    assert 0.989 * value <= found <= value
    assert float(f"{found:.{DIGITS}g}") == found == rounded_down(found)


@pytest.mark.parametrize("power", range(-9, 10))
def test_a_power_of_ten_is_its_own_rounding(power: int) -> None:
    value = float(f"1e{power}")
    assert rounded_down(value) == value
    assert rounded_down(math.nextafter(value, 0)) < value < rounded_down(1.01 * value * (1 + 1e-9))


def features() -> list[np.ndarray]:
    return [np.random.default_rng(number).normal(size=(4, 3)) for number in range(len(PLACES))]


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_at_a_knot_the_features_are_those_rendered_there(place: int) -> None:
    np.testing.assert_allclose(between(PLACES, features(), PLACES[place]), features()[place], rtol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.01, 0.1, 1 / 8, 0.3, 0.77, 0.9999, 1.0])
def test_between_knots_features_are_those_of_linear_interpolation(strength: float) -> None:
    rendered = np.stack(features())
    expected = [[np.interp(strength, PLACES, rendered[:, row, column]) for column in range(3)] for row in range(4)]
    np.testing.assert_allclose(between(PLACES, features(), strength), expected, rtol=1e-10)


def test_what_grows_evenly_is_exact_at_every_strength_and_two_knots_are_enough() -> None:
    base, slope = np.random.default_rng(0).normal(size=(2, 5, 2))
    for strength in (0.0, 0.1, 0.36):
        found = between((0.0, 0.36), [base, base + 0.36 * slope], strength)
        np.testing.assert_allclose(found, base + strength * slope, rtol=1e-12)
