"""What the site is built from: a notebook without results, and a check that nothing is loaded from a network."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def check_site(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that looks at a built site."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("check_site")


def test_the_notebook_is_committed_without_results() -> None:
    notebook = json.loads((ROOT / "docs" / "tutorial" / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    text = "".join("".join(cell["source"]) for cell in cells)
    assert "Predictor.from_module(" in text and "explain_volume(" in text and ".plot(" in text


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="//example.org/a.css">',
        '<img src="http://example.org/a.png">',
    ],
)
def test_a_page_that_loads_something_from_a_network_is_found(
    tag: str, check_site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text(f"<html><head>{tag}</head></html>")
    monkeypatch.setattr("sys.argv", ["check_site.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"index\.html loads .*example\.org"):
        check_site.main()


def test_links_that_a_reader_may_follow_are_no_loads(
    check_site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = '<link rel="canonical" href="https://example.org/"><a href="https://example.org">x</a><img src="a.png">'
    (tmp_path / "index.html").write_text(page)
    monkeypatch.setattr("sys.argv", ["check_site.py", str(tmp_path)])
    check_site.main()
    assert capsys.readouterr().out == "1 pages, nothing is loaded from a network\n"


def test_an_empty_site_is_refused(check_site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["check_site.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no page"):
        check_site.main()
