"""Every link between the project's pages leads to a file, and to a heading in it: as the code host shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
}
CODE = re.compile(r"^```.*?^```$|^(?: {4}|\t).*$|``.+?``|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def links_of(text: str) -> list[str]:
    """Targets of the links in a page, but for what is code and what leads to the web."""
    targets = LINK.findall(CODE.sub("`code`", text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors_of(text: str) -> list[str]:
    """What headings are called in links, as code hosts do it: small letters, `-` for blanks, a number for a twin."""
    names: list[str] = []
    for heading in HEADING.findall(re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        names.append(re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-"))
    return [
        f"{name}-{names[:place].count(name)}" if name in names[:place] else name for place, name in enumerate(names)
    ]


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    broken = []
    for target in links_of(page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        there = place.exists()
        if there and anchor and place.suffix == ".md":
            there = anchor in anchors_of(place.read_text(encoding="utf-8"))
        broken += [] if there else [target]
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    assert broken_links(PAGES[page]) == []


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# A `title`, with more\n\n## Twin\n\n## Twin\n")
    page.write_text(
        "[a](other.md) [b](gone.md) [c](other.md#a-title-with-more) [d](other.md#gone) [e](#here) [f](other.md#twin-1)"
        " [g](https://example.org/gone)\n\n## Here\n\n    [code](gone.md)\n\n```\n[code](gone.md)\n```\n"
    )
    assert broken_links(page) == ["gone.md", "other.md#gone"]


def test_pages_have_links_to_look_at() -> None:
    assert len(PAGES) > 20 and sum(len(links_of(page.read_text(encoding="utf-8"))) for page in PAGES.values()) > 80
