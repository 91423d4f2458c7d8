"""How a page writes its figures: telling digits at every size, a dash for nothing, and names that may break."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from interpbench.errors import InputError
from interpbench.report.page import NONE, inlined, inlined_pictures, parts_of, shown, shown_interval


@given(some.floats(-1e300, 1e300))
def test_a_figure_is_shown_within_its_digits_and_with_its_sign(value: float) -> None:
    text = shown(value)
    assert float(text) == pytest.approx(value, rel=0.05 if abs(value) < 0.1 else 0.006, abs=1e-323)
    assert text.startswith("-") is (value < 0)


@given(some.floats(1e-9, 1e9))
def test_a_figure_and_its_negative_have_the_same_digits(value: float) -> None:
    assert shown(-value) == f"-{shown(value)}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.010"),
        (0.00999, "9.99e-03"),
        (0.9994, "0.999"),
        (1.0, "1.00"),
        (99.994, "99.99"),
        (100.0, "100.0"),
        (99999.0, "99999.0"),
        (1e5, "1.00e+05"),
        (-0.0, "0"),
        (-math.inf, "-inf"),
        (100_000, "100000"),
        (-3, "-3"),
        (True, "True"),
        ("", ""),
        ("0.12345", "0.12345"),
        (np.float64(0.5), "0.500"),
        (np.float64("nan"), NONE),
        (np.float64(-0.0), "0"),
    ],
)
def test_figures_change_their_form_at_fixed_bounds(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0, 1), "0 to 1.00"),
        ((-0.0, 0.5), "0 to 0.500"),
        ((-2.5, -1), "-2.50 to -1.00"),
        ((math.nan, 1.0), f"{NONE} to 1.00"),
        ((-math.inf, math.inf), "-inf to inf"),
        ((np.float32(0.25), np.float32(100)), "0.250 to 100.0"),
    ],
)
def test_both_ends_of_an_interval_are_figures(interval: tuple[float, float], text: str) -> None:
    assert shown_interval(interval) == text


@given(some.text(alphabet="ab_+-ä ", max_size=20))
def test_the_parts_of_a_name_are_the_name_and_each_but_the_last_ends_where_a_line_may(name: str) -> None:
    parts = parts_of(name)
    assert "".join(parts) == name and len(parts) == 1 + name.count("_") + name.count("+")
    assert all(part[-1] in "_+" and not set(part[:-1]) & {"_", "+"} for part in parts[:-1])


@pytest.mark.parametrize("image", [b"", b"\x89PNG\r\n\x1a\n", bytes(range(256))])
def test_an_inlined_picture_is_its_bytes(image: bytes, tmp_path: Path) -> None:
    kind, _, content = inlined(image).partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(content, validate=True) == image
    (tmp_path / "größe.png").write_bytes(image)
    assert inlined_pictures([("a caption", tmp_path / "größe.png")]) == [("a caption", inlined(image))]


@pytest.mark.parametrize("place", ["missing.png", ".", "x" * 300])
def test_a_picture_that_cannot_be_read_is_named_in_one_line(place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this picture of the page cannot be read") as caught:
        inlined_pictures([("a caption", tmp_path / place)])
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
