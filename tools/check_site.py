"""Refuse a built site of which a page loads something from a network: `python tools/check_site.py site`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
HARMLESS = {"canonical", "prev", "next", "edit"}  # relations of a link that a browser does not load


class Loads(HTMLParser):
    """What a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address of a tag that loads one."""
        given = dict(attrs)
        address = given.get(LOADING.get(tag, ""))
        if address and not HARMLESS & set((given.get("rel") or "").split()):
            self.addresses.append(address)


def loaded_from_a_network(site: Path) -> Iterator[str]:
    """Each page with an address that it loads from elsewhere."""
    for page in sorted(site.rglob("*.html")):
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        for address in loads.addresses:
            if address.startswith(("http:", "https:", "//")):
                yield f"{page.relative_to(site)} loads {address}"


def main() -> None:
    """End with every such address, or with the number of pages."""
    site = Path(sys.argv[1])
    pages = len(list(site.rglob("*.html")))
    found = list(loaded_from_a_network(site))
    if found or not pages:
        sys.exit("\n".join(found) or f"{site} holds no page")
    sys.stdout.write(f"{pages} pages, nothing is loaded from a network\n")


if __name__ == "__main__":
    main()
