"""Changes are told in fragments, each in a category, and a release puts them together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOWNCRIER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
FOLDER = ROOT / TOWNCRIER["directory"]
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")
CATEGORIES = [one["directory"] for one in TOWNCRIER["type"]]


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_says_something_in_a_category(path: Path) -> None:
    name = re.fullmatch(r"(\+[a-z0-9-]+|\d+)\.([a-z]+)(\.\d+)?\.md", path.name)
    assert name is not None and name[2] in CATEGORIES, f"call it +NAME.CATEGORY.md, with one of {CATEGORIES}"
    text = path.read_text(encoding="utf-8")
    assert text.strip().endswith((".", ")")) and len(text.strip().splitlines()) == 1
    assert not text.startswith(("-", "*", "#", " "))


def test_the_page_on_fragments_lists_the_categories() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == CATEGORIES


def test_nothing_is_written_by_hand_above_the_first_release() -> None:
    head, mark, releases = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition(TOWNCRIER["start_string"])
    assert mark and "\n- " not in head and "\n## " not in head
    assert re.fullmatch(r"\s*|\s*## \d+\.\d+\.\d+, \d{4}-\d\d-\d\d\n.*", releases, re.DOTALL)
