"""The reference pages that are made from the code: what each holds, and where it lies.

`python tools/write_reference_pages.py` writes them; a test compares them with what the code says.
"""

from __future__ import annotations

from collections.abc import Callable

from reference_pages.commands import commands_page
from reference_pages.components import components_page
from reference_pages.exit_codes import exit_codes_page
from reference_pages.files import files_page
from reference_pages.python_api import python_page

FOLDER = "docs/reference/generated"
HEAD = "<!-- Made from the code by tools/write_reference_pages.py: change the code, not this page. -->\n\n"

_PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "files.md": files_page,
    "exit-codes.md": exit_codes_page,
    "explainers.md": lambda: components_page("explainer"),
    "predictors.md": lambda: components_page("predictor"),
    "aggregators.md": lambda: components_page("aggregator"),
    "metrics.md": lambda: components_page("metric"),
    "python.md": python_page,
}
NAMES = tuple(_PAGES)


def page(name: str) -> str:
    """The text of one page, as the code says it now."""
    return HEAD + _PAGES[name]()
