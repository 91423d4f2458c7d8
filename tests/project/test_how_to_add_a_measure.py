"""The plugin in `docs/how-to/add-a-measure.md` works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

import interpbench
from interpbench.host.registry import discover
from interpbench.testing import MetricContract

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-measure.md"
BLOCK = re.compile(r"^```(?:toml|python)\n# (?P<path>[\w./]+)(?:: [^\n]*)?\n.*?^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder with all files of the page, as if installed."""
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        file = tmp_path / block["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(block[0].splitlines()[1:-1]) + "\n", encoding="utf-8")
    (tmp_path / "interpbench_swap" / "__init__.py").touch()
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = tmp_path / "interpbench_swap-0.1.0.dist-info"
    folder.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (folder / "METADATA").write_text(head, encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["interpbench"].items()]
    (folder / "entry_points.txt").write_text("\n".join(["[interpbench]", *lines, ""]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("interpbench_swap")]:
        del sys.modules[name]


def test_every_code_block_of_the_page_is_one_of_its_files(package):
    files = {str(file.relative_to(package)) for file in package.rglob("*.*") if "dist-info" not in str(file)}
    assert files == {
        "pyproject.toml",
        "interpbench_swap/__init__.py",
        "interpbench_swap/plugin.py",
        "interpbench_swap/metric.py",
        "tests/test_swap.py",
        "tests/test_swap_alone.py",
    }
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * 5


def test_its_metric_is_found_and_loaded_by_name(package):
    points = [
        point
        for one in distributions(path=[str(package)])
        for point in one.entry_points
        if point.group == "interpbench"
    ]
    registry = discover(points)
    assert [plugin.status for plugin in registry.plugins] == ["OK"]
    metric = registry.load("metric", "swap")(draws=2)
    assert [measure.name for measure in metric.measures] == ["swap", "swap_curve"]


@pytest.mark.slow
def test_its_tests_pass_as_a_third_party_runs_them(package):
    paths = os.pathsep.join([str(package), *[entry for entry in sys.path if entry]])
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(
        command, cwd=package, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"^3\d passed", ended.stdout, re.MULTILINE), ended.stdout


def test_the_page_names_every_field_of_a_case_and_every_attribute_of_the_suite():
    page = PAGE.read_text(encoding="utf-8")
    fields = {*vars(interpbench.Case)["__dataclass_fields__"]} - {"again", "forward", "shared"}  # by `explain`, ...
    attributes = {name for name in vars(MetricContract)["__annotations__"] if not name.startswith("_")}
    assert fields | attributes <= {*re.findall(r"`(\w+)", page)}
