"""What is in the source tree, in `pyproject.toml` and in the installed package agrees."""

from __future__ import annotations

import importlib
import os
import re
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import interpbench
from interpbench import kit

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLUGINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))


def in_tox():
    return "TOX_ENV_NAME" in os.environ


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_wheel_lists_every_plugin_folder_by_name():
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert listed == ["interpbench", *(f"plugins/{name}" for name in PLUGINS)]


def test_every_plugin_folder_has_its_entry_point():
    declared = PROJECT["project"]["entry-points"]["interpbench"]
    plugins = {name.removeprefix("interpbench_"): f"{name}.plugin" for name in PLUGINS}
    assert declared == plugins


def test_the_installed_entry_points_are_those_declared():
    installed = {
        point.name: point.value
        for point in entry_points(group="interpbench")
        if point.dist is not None and point.dist.name == "interpbench"
    }
    assert installed == PROJECT["project"]["entry-points"]["interpbench"]


def test_every_plugin_folder_is_installed_beside_the_core():
    for name in PLUGINS:
        assert importlib.util.find_spec(name) is not None, name


def test_the_import_contracts_know_every_plugin():
    assert PROJECT["tool"]["importlinter"]["root_packages"] == ["interpbench", *PLUGINS]
    contracts = {one["id"]: one for one in PROJECT["tool"]["importlinter"]["contracts"]}
    assert contracts["core"]["forbidden_modules"] == contracts["plugins"]["modules"] == PLUGINS


def test_the_import_contracts_keep_plugins_out_of_every_room():
    package = ROOT / "interpbench"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    contracts = {one["id"]: one for one in PROJECT["tool"]["importlinter"]["contracts"]}
    kept = {name.removeprefix("interpbench.") for name in contracts["public"]["protected_modules"]}
    assert kept == rooms - {"__init__", "__main__", "errors", "kit"}


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["project"]["version"] == interpbench.__version__ == distribution("interpbench").version
    assert f"\nversion: {interpbench.__version__}\n" in citation


def test_the_package_says_that_it_is_typed():
    assert (Path(interpbench.__file__).parent / "py.typed").is_file()


def test_every_dependency_is_pinned_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {plain(line.partition("==")[0]) for line in lines if "==" in line}
    groups = [one for group in PROJECT["dependency-groups"].values() for one in group if isinstance(one, str)]
    extras = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
    needed = [re.split(r"[<>=!~ \[]", one)[0] for one in (*PROJECT["project"]["dependencies"], *extras, *groups)]
    assert {plain(name) for name in needed} <= pinned


@pytest.mark.parametrize("name", sorted(interpbench.__all__))
def test_a_public_name_can_be_imported(name):
    assert getattr(interpbench, name) is not None


def test_no_public_name_is_hidden_by_a_module_of_the_same_name():
    package = Path(interpbench.__file__).parent
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert modules.isdisjoint(interpbench.__all__)


def test_a_tool_of_the_kit_is_no_public_name_of_the_package_too():
    assert set(vars(kit)).isdisjoint(interpbench.__all__)


def test_public_names_are_described_for_type_checkers_in_the_package():
    assert Path(interpbench.__file__).with_suffix(".pyi").is_file()


@pytest.mark.skipif(not in_tox(), reason="outside tox the source tree may be installed in place")
def test_the_tests_run_against_the_built_package_and_not_the_source_tree():
    assert ROOT / "interpbench" not in Path(interpbench.__file__).parents
