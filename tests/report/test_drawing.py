"""What the pictures of a benchmark share: kinds told apart by more than colour, names that fit, small PNGs."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from interpbench.report.drawing import canvas_of, fitting, method_style, png_of, short, width_of


def test_kinds_of_methods_look_different_and_a_blurred_copy_is_hollow() -> None:
    looks = [
        method_style(floor=floor, learned=learned, blurred=blurred)
        for floor, learned in ((True, False), (False, True), (False, False))
        for blurred in (False, True)
    ]
    assert len({(look.colour, look.hollow) for look in looks}) == 6
    assert {(look.fill == "white", look.slant) for look in looks if look.hollow} == {(True, "italic")}
    assert method_style(floor=True, learned=True, blurred=False) == looks[0]


def test_the_end_of_a_long_name_is_kept() -> None:
    name = "a_method_with_a_name_that_never_ends+blur"
    assert short("unoise") == "unoise"
    assert len(short(name, 20)) == 20 and short(name, 20).startswith("a_method") and short(name, 20).endswith("+blur")


@pytest.mark.parametrize("name", ["W" * 30, "i" * 30, "smoothgradsquared+blur", r"$\frac_of_everything$", "方" * 40])
def test_a_name_is_cut_until_it_fits_and_no_further(name: str) -> None:
    fitted = fitting(name, 9, 1.2)
    assert width_of(fitted, 9) <= 1.2
    assert fitted == name or width_of(short(name, len(fitted) + 1), 9) > 1.2


def test_a_text_of_twice_the_size_is_twice_as_wide() -> None:
    assert abs(width_of("unoise" * 5, 18) / width_of("unoise" * 5, 9) - 2) < 0.1


def test_a_colour_that_few_pixels_have_survives_the_palette() -> None:
    canvas = canvas_of(4, 3)
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.imshow(np.random.default_rng(0).random((200, 300)), "inferno", aspect="auto")
    axes.plot([10, 12], [10, 10], color="#00ff00", linewidth=4)
    pixels = imread(io.BytesIO(png_of(canvas)))
    green = (pixels[..., 1] > 0.8) & (pixels[..., 0] < 0.3) & (pixels[..., 2] < 0.3)
    assert green.any()


def test_letters_that_the_font_lacks_are_no_warning() -> None:
    canvas = canvas_of(2, 1)
    canvas.text(0.1, 0.5, "方法\x01", parse_math=False)
    assert png_of(canvas).startswith(b"\x89PNG")


def test_the_same_canvas_gives_the_same_bytes_and_no_setting_changes() -> None:
    before = dict(mpl.rcParams)
    pictures = []
    for _ in range(2):
        canvas = canvas_of(2, 1)
        canvas.text(0.1, 0.5, "unoise")
        pictures.append(png_of(canvas))
    assert pictures[0] == pictures[1] and dict(mpl.rcParams) == before
