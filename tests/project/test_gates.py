"""What the gates name exists: lowest versions, Pythons, environments of tox, hooks, hosted checks."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"


@pytest.fixture(scope="module")
def tox() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    return parser


def environments(tox: configparser.ConfigParser) -> set[str]:
    """The names of all environments; `py{,311}` is two."""
    found = set()
    for section in tox.sections():
        stem, _, more = section.removeprefix("testenv:").partition("{")
        found |= {stem + one for one in more.rstrip("}").split(",")}
    return found


def words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def minor_versions(names: list[str]) -> list[int]:
    return [int(re.fullmatch(r"py3(\d+)", name)[1]) for name in names]  # type: ignore[index]


def test_the_lowest_versions_are_those_that_the_ranges_allow() -> None:
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert pinned == [one.replace(">=", "==") for one in PROJECT["project"]["dependencies"]]


def test_the_pythons_of_tox_are_those_that_the_package_names(tox: configparser.ConfigParser) -> None:
    name, _, pythons = tox["tox"]["labels"].strip().partition("=")
    found = minor_versions(words(pythons))
    said = [one.rpartition(".")[2] for one in PROJECT["project"]["classifiers"] if "Python :: 3." in one]
    assert name.strip() == "pythons" and found == [int(one) for one in said]
    assert PROJECT["project"]["requires-python"] == f">=3.{min(found)}"
    assert {f"py3{minor}" for minor in found} <= environments(tox)
    assert tox["tox"]["skip_missing_interpreters"] == "true"


def test_lint_and_types_are_for_the_lowest_python(tox: configparser.ConfigParser) -> None:
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PROJECT["tool"]["mypy"]["python_version"] == lowest
    assert (
        PROJECT["tool"]["ruff"]["target-version"]
        == f"py{lowest.replace('.', '')}"
        == tox["testenv:lowest"]["base_python"]
    )


def test_the_gates_that_run_by_default_are_all_there(tox: configparser.ConfigParser) -> None:
    default = set(words(tox["tox"]["env_list"]))
    assert {"lint", "imports", "types", "docs", "coverage", "slow"} <= default <= environments(tox)


@pytest.mark.skipif(not HOOKS.is_file(), reason="a source distribution has no hooks")
def test_hooks_and_hosted_checks_run_environments_of_tox(tox: configparser.ConfigParser) -> None:
    hooks = re.findall(r"entry: (.*)", HOOKS.read_text(encoding="utf-8"))
    assert len(hooks) == HOOKS.read_text(encoding="utf-8").count("- id:") > 0
    called = [re.match(r"tox -q -e (\w+)", hook) for hook in hooks]
    assert {one[1] for one in called if one} <= environments(tox) and all(called)


@pytest.mark.skipif(not WORKFLOW.is_file(), reason="a source distribution has no hosted checks")
def test_the_hosted_checks_call_the_script_that_anybody_runs_and_name_every_other_python() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "- run: .ci/run\n" in text and (ROOT / ".ci" / "run").is_file()
    lowest, *others = (one.rpartition(" ")[2] for one in PROJECT["project"]["classifiers"] if "Python :: 3." in one)
    (matrix,) = re.findall(r"python: \[(.*)\]", text)
    assert re.findall(r'"(.*?)"', matrix) == others
    assert set(re.findall(r'python-version: "(.*)"', text)) == {lowest}
