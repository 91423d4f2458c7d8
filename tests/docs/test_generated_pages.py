"""The reference pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

ROOT = Path(__file__).parents[2]
COMMITTED = {path.name: path for path in sorted((ROOT / "docs" / "reference" / "generated").glob("*.md"))}


@pytest.fixture(scope="module")
def pages() -> Iterator[ModuleType]:
    """What makes the pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("reference_pages")


def test_every_page_is_committed_and_no_other(pages: ModuleType) -> None:
    assert set(COMMITTED) == set(pages.NAMES)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_page_is_what_the_code_makes_of_it(name: str, pages: ModuleType) -> None:
    made = pages.page(name).splitlines()
    assert COMMITTED[name].read_text(encoding="utf-8").splitlines() == made, "python tools/write_reference_pages.py"


def test_pages_hold_every_command_component_error_and_public_name(pages: ModuleType) -> None:
    import interpbench
    from interpbench.cli.group import COMMANDS
    from interpbench.host.registry import KINDS, discover

    text = "\n".join(pages.page(name) for name in pages.NAMES)
    lines = set(text.splitlines())
    assert {f"## {name}" for name in COMMANDS} <= lines
    installed = [one for kind in KINDS for one in discover().components(kind)]
    built_in = [one.name for one in installed if one.plugin.distribution == "interpbench"]
    assert len(built_in) > 20 and {f"## {name}" for name in built_in} <= lines
    assert {f"::: interpbench.{name}" for name in interpbench.__all__ if not name.startswith("_")} <= lines
    assert "| 7 | `ConflictError` |" in text


def test_a_changed_option_shows_on_the_page(pages: ModuleType) -> None:
    from interpbench import option

    @dataclass(frozen=True)
    class Method:
        presets: ClassVar = {"fast": {"draws": 2}}
        draws: int = option(25, "draws | of noise", minimum=1)
        where: str = option("brain", "where noise is", choices=("brain", "volume"))

    assert pages.components.options_table(Method).splitlines() == [
        "| option | type | default | preset `fast` | allowed | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `draws` | integer | `25` | `2` | at least 1 | draws \\| of noise |",
        "| `where` | text | `brain` |  | `brain`, `volume` | where noise is |",
    ]


def test_every_field_of_a_measure_is_declared_as_a_key() -> None:
    from interpbench import Measure
    from interpbench.files.written.benchmark import MEASURES

    assert set(MEASURES) == {"metric", *(one.name for one in fields(Measure))}
