"""The page holds all that it was given, escaped, in one file that fetches nothing."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interpbench.errors import InputError, UsageError
from interpbench.report.curves import Chart, Curve
from interpbench.report.page import Figure, shown, shown_interval, write_report_page
from interpbench.report.view import View, view_html

SHAPE = (12, 14, 10)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def view(**changes: Any) -> View:
    background = np.zeros(SHAPE)
    background[1:-1, 1:-1, 1:-1] = np.random.default_rng(0).normal(size=(10, 12, 8))
    importance = np.zeros(SHAPE)
    importance[3:6, 4:8, 3:6] = 0.7
    given = {"map": importance, "background": background, "affine": AFFINE, "title": "Population", "unit": "1 - B"}
    return View(**{**given, **changes})


def page(folder: Path, **changes: Any) -> str:
    (folder / "map.png").write_bytes(PIXEL)
    given: dict[str, Any] = {
        "title": "A phantom",
        "about": ["What was done."],
        "figures": [Figure("MAE", 2.4, "years", 36, (1.9, 2.9), "on the test set")],
        "pictures": [("The population map", folder / "map.png")],
    }
    write_report_page(folder / "index.html", **{**given, **changes})
    return (folder / "index.html").read_text(encoding="utf-8")


class Document(HTMLParser):
    """Tags, addresses that a browser would fetch, text, and the document inside the frame."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.frames: list[Document] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "data", "poster", "action", "srcset"):
                self.addresses.append(value or "")
            if name == "srcdoc":
                self.frames.append(Document(value or ""))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_holds_what_it_was_given(tmp_path: Path) -> None:
    words = Document(
        page(
            tmp_path,
            warnings=["The noise floor ruins it."],
            commands=["interpbench demo OUT --seed 0"],
            versions={"torch": "2.13.0"},
        )
    ).words
    row = ["MAE", "on the test set", "2.40", "years", "36", "1.90 to 2.90"]
    given = ["A phantom", "What was done.", "The population map", "The noise floor ruins it.", "torch", "2.13.0"]
    for text in (*row, *given, "interpbench demo OUT --seed 0"):
        assert text in words


def test_whatever_looks_like_markup_is_text(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    text = page(
        tmp_path,
        title=evil,
        about=[evil],
        figures=[Figure(evil, evil, evil, 1, None, evil)],
        pictures=[(evil, tmp_path / "map.png")],
        warnings=[evil],
        commands=[evil],
        versions={evil: evil},
        view=view(title=evil, unit=evil),
        charts=[Chart(evil, evil, evil, [Curve(evil, [1], [1])])],
    )
    document = Document(text)
    assert "script" not in document.tags
    assert document.words.count(evil) >= 10
    assert "alert(1)" not in document.frames[0].words


def test_nothing_is_fetched_from_anywhere(tmp_path: Path) -> None:
    chart = Chart("Training", "epoch", "MAE (years)", [Curve("validation", [1, 2], [3, 2])])
    text = page(tmp_path, view=view(), charts=[chart])
    document = Document(text)
    frame = document.frames[0]
    addresses = document.addresses + frame.addresses
    assert sum(address.startswith("data:image/png;base64,") for address in addresses) >= 3
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\(\s*['\"]?http", text)
    assert "default-src 'none'" in text and "http" not in re.sub("http-equiv", "", text.replace(str(frame), ""))


def test_the_pictures_bytes_are_in_the_page(tmp_path: Path) -> None:
    images = [address for address in Document(page(tmp_path)).addresses if address.startswith("data:image/png")]
    assert b64decode(images[0].partition(",")[2]) == PIXEL


def test_the_same_input_gives_the_same_page(tmp_path: Path) -> None:
    assert page(tmp_path, view=view()) == page(tmp_path, view=view())


def test_a_page_without_anything_says_none(tmp_path: Path) -> None:
    words = Document(page(tmp_path, figures=[], pictures=[])).words
    assert "No figures." in words and "No pictures." in words and "None." in words


def test_a_missing_picture_is_named_and_no_page_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: this picture of the page cannot be read"):
        page(tmp_path, pictures=[("gone", tmp_path / "gone.png")])
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.413, "2.41"),
        (0.9312, "0.931"),
        (-12.345, "-12.35"),
        (1234.5, "1234.5"),
        (1.2e-7, "1.20e-07"),
        (0.0, "0"),
        (36, "36"),
        (math.inf, "inf"),
        (math.nan, "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
        ("paper", "paper"),
    ],
)
def test_numbers_are_shown_with_the_digits_that_tell(value: Any, text: str) -> None:
    assert shown(value) == text


def test_an_interval_has_two_ends() -> None:
    assert shown_interval((1, 2.5)) == "1.00 to 2.50" and shown_interval(None) == "\N{EN DASH}"


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_a_flat_map_can_be_viewed(value: float) -> None:
    document, width, height = view_html(view(map=np.full(SHAPE, value)))
    assert "brainsprite" in document and width > 0 and height > 0


def test_a_view_of_another_shape_or_of_nan_is_refused() -> None:
    with pytest.raises(UsageError, match="is not the background's"):
        view_html(view(map=np.zeros((12, 14, 9))))
    with pytest.raises(UsageError, match="NaN or infinite"):
        view_html(view(map=np.full(SHAPE, np.nan)))
