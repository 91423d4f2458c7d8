"""The floor of coverage is held, package by package."""

from __future__ import annotations

import importlib
import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, imported from the source tree."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("check_coverage")


@pytest.fixture
def two_packages(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with two packages and floors of their own."""
    monkeypatch.setattr(tool, "FLOORS", {"interpbench": 90, "interpbench_unoise": 75})
    return tool


def report(**taken: tuple[int, int]) -> dict[str, Any]:
    """As `coverage json` writes it: for each file the branches that were taken, and all of them."""
    places = {
        "atomic": "/home/interpbench/.tox/coverage/site-packages/interpbench/files/atomic.py",
        "volume": "/home/interpbench/.tox/coverage/site-packages/interpbench/images/volume.py",
        "unet": "/home/interpbench/.tox/coverage/site-packages/interpbench_unoise/unet.py",
        "conftest": "tests/conftest.py",
    }
    return {
        "files": {
            places[name]: {"summary": {"covered_branches": some, "num_branches": all, "missing_branches": all - some}}
            for name, (some, all) in taken.items()
        }
    }


def test_branches_are_added_up_for_each_package(two_packages: ModuleType) -> None:
    found = report(atomic=(9, 10), volume=(29, 30), unet=(3, 4), conftest=(0, 50))
    assert two_packages.branches_of(found) == {"interpbench": (38, 40), "interpbench_unoise": (3, 4)}


@pytest.mark.parametrize(
    ("atomic", "unet", "code", "told"),
    [
        ((90, 100), (75, 100), 0, ""),
        ((89, 100), (75, 100), 1, "interpbench: 89.0 % of branches are taken by the tests; at least 90 % must be.\n"),
        ((90, 100), (0, 100), 1, "interpbench_unoise: 0.0 % of branches are taken by the tests; at least 75 % must"),
        ((90, 100), (0, 0), 1, "interpbench_unoise: 0.0 %"),
    ],
)
def test_a_package_below_its_floor_ends_in_1_and_is_named(
    atomic: Any,
    unet: Any,
    code: int,
    told: str,
    two_packages: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "coverage.json").write_text(json.dumps(report(atomic=atomic, unet=unet)))
    assert two_packages.main([str(tmp_path / "coverage.json")]) == code
    assert capsys.readouterr().err.startswith(told) and bool(told) == bool(code)


def test_the_files_with_most_branches_left_are_shown_first(two_packages: ModuleType) -> None:
    found = two_packages.worst(report(atomic=(9, 10), volume=(25, 30), unet=(4, 4)))
    assert [(missing, Path(file).name) for missing, file in found] == [(5, "volume.py"), (1, "atomic.py")]


def test_every_package_that_is_measured_has_a_floor(tool: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert list(tool.FLOORS) == project["tool"]["coverage"]["run"]["source_pkgs"]
    assert min(tool.FLOORS["interpbench"], tool.FLOORS["interpbench_unoise"]) >= 90
