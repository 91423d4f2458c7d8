"""Print the share of branches that the fast tests take in each package, and fail where one is below its floor.

    coverage json -o coverage.json && python tools/check_coverage.py coverage.json

A floor is a little below what was measured when it was set: some branches depend on the processor. It rises with the
tests, and is never lowered so that a change may pass. The core and `interpbench_unoise`, the flagship, are never below
90 %.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

FLOORS = {  # percent of branches
    "interpbench": 91,
    "interpbench_captum": 96,
    "interpbench_floors": 99,
    "interpbench_measures": 92,
    "interpbench_networks": 95,
    "interpbench_occlusion": 92,
    "interpbench_unoise": 95,
}
SHOWN = 10  # files


def package_of(file: str) -> str | None:
    """The package that a file belongs to, or None where it is none of ours."""
    return next((part for part in reversed(PurePath(file).parts) if part in FLOORS), None)


def branches_of(report: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """For each package the branches that were taken, and all of them."""
    found = dict.fromkeys(FLOORS, (0, 0))
    for file, measured in report["files"].items():
        package = package_of(file)
        if package is not None:
            taken, there = found[package]
            summary = measured["summary"]
            found[package] = taken + summary["covered_branches"], there + summary["num_branches"]
    return found


def share(taken: int, there: int) -> float:
    """Percent of branches that were taken; of none, 0: a package that was not measured must not pass."""
    return 100 * taken / there if there else 0.0


def below(branches: Mapping[str, tuple[int, int]]) -> list[str]:
    """The packages below their floors, in words."""
    shares = {package: share(*branches[package]) for package in FLOORS}
    return [
        f"{package}: {shares[package]:.1f} % of branches are taken by the tests; at least {floor} % must be."
        for package, floor in FLOORS.items()
        if shares[package] < floor
    ]


def worst(report: Mapping[str, Any], number: int = SHOWN) -> list[tuple[int, str]]:
    """The files with the most branches that no test takes, and how many."""
    missing = ((measured["summary"]["missing_branches"], file) for file, measured in report["files"].items())
    return sorted((one for one in missing if one[0]), reverse=True)[:number]


def main(words: Iterable[str]) -> int:
    """Read a report of `coverage json`, print it by package, and return the exit code."""
    (place,) = words
    report = json.loads(Path(place).read_text(encoding="utf-8"))
    branches = branches_of(report)
    for package, (taken, there) in branches.items():
        print(f"{package:24} {share(taken, there):5.1f} %  {taken} of {there} branches")
    for missing, file in worst(report):
        print(f"{missing:5} not taken in {file}")
    for sentence in (problems := below(branches)):
        print(sentence, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
