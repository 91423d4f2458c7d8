"""MkDocs hooks: pages of the project's root are pages of the site too, and no page loads a script from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
SHOWN = (  # each as project/NAME
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
FOLDER = "project/"
SHIM = ("https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js")  # what the theme names, and our copy
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]+)")
ELSEWHERE = re.compile(r"\[(?P<text>[^]]+)\]\(changelog\.d[^)]*\)")  # what is no part of the site


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the root."""
    for name in SHOWN:
        files.append(File.generated(config, FOLDER + name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The page with its links between the root and `docs/` as they are on the site."""
    place = page.file.src_uri
    above = "../" * place.count("/")
    if place.startswith(FOLDER):
        markdown = ELSEWHERE.sub(lambda link: link["text"], markdown)
        return LINK.sub(lambda link: _into_docs(link["target"], above), markdown)
    return LINK.sub(lambda link: _to_root(link["target"], above), markdown)


def _into_docs(target: str, above: str) -> str:
    """A link on a page from the root, as it is on the site."""
    return above + target.removeprefix("docs/") if target.startswith("docs/") else target


def _to_root(target: str, above: str) -> str:
    """A link on a page of `docs/`, as it is on the site."""
    name = target.removeprefix(f"../{above}")
    return f"{above}{FOLDER}{name}" if name in SHOWN and name != target else target


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """The page with our copy of the script."""
    there, here = SHIM
    return output.replace(there, "../" * page.file.dest_uri.count("/") + here)


def on_post_template(output: str, **_: Any) -> str:
    """A page of the theme's own, such as that of a missing one, with our copy of the script."""
    there, here = SHIM
    return output.replace(there, here)
