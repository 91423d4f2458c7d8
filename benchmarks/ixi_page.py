"""Write the tables of `docs/results/ixi.md` from what `ixi.py` measured.

Only what stands between the two markers is written; the words around it are somebody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from result_page import fill_page

ROOT = Path(__file__).parents[1]
CORRELATED = ("hippocampus", "lateral ventricle", "third ventricle", "thalamus")
Figures = Mapping[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Read the result, write the tables into the page."""
    fill_page(words, __doc__, ROOT / "benchmarks/results/ixi.json", ROOT / "docs/results/ixi.md", "tables", tables)


def tables(results: Mapping[str, Any]) -> list[str]:
    """All that the page says in figures, in Markdown."""
    methods = list(results["regions"])
    groups = list(results["regions"][methods[0]])
    n = results["subjects"]
    lines = [
        "### The paper's claim, by every method",
        "",
        f"Share of other places of the brain, of one size and shape, with less importance; 0.5 by chance. n = {n}.",
        "",
        *claim_table(results["claim"]),
        "",
        "### Importance by region",
        "",
        f"Mean importance of a region relative to the brain's; 1 is an average voxel. n = {n}, 95 % intervals.",
        "",
        *region_table(results["regions"], groups, methods),
    ]
    for group in CORRELATED:
        lines += ["", f"### Who has a high importance of the {group}?", ""]
        lines += ["Spearman's correlation over people of the relative importance with:", ""]
        lines += correlation_table(results["regions"], group)
    lines += ["", "### Settings", "", "```json"]
    return [*lines, json.dumps({"settings": results["settings"], "machine": results["machine"]}, indent=2), "```"]


def claim_table(claim: Mapping[str, Any]) -> list[str]:
    """One row a method; bold where the interval lies above chance."""
    rows = ["| method | hippocampus | ventricles |", "|---|---|---|"]
    for method, one in claim.items():
        cells = [_above(one[name], 0.5) for name in ("hippocampus", "ventricles")]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return rows


def region_table(regions: Mapping[str, Any], groups: Sequence[str], methods: Sequence[str]) -> list[str]:
    """Regions by methods."""
    rows = [f"| region | {' | '.join(methods)} |", "|---|" + "---|" * len(methods)]
    for group in groups:
        cells = [_above(regions[method][group]["relative"], 1.0) for method in methods]
        rows.append(f"| {group} | {' | '.join(cells)} |")
    return rows


def correlation_table(regions: Mapping[str, Any], group: str) -> list[str]:
    """One row a method: with the region's share of the brain, with age, and with the gap among people of one age."""
    rows = ["| method | the region's volume | age | the gap, at one age |", "|---|---|---|---|"]
    for method, one in regions.items():
        cells = [_r(one[group][name]) for name in ("with_volume", "with_age", "with_gap_at_one_age")]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return rows


def _above(figures: Figures | None, level: float) -> str:
    """A mean with its interval, in bold where the whole interval is above a level."""
    if figures is None or figures["mean"] is None:
        return "n/a"
    if figures["interval"] is None:
        return f"{figures['mean']:.2f}"
    low, high = figures["interval"]
    text = f"{figures['mean']:.2f} ({low:.2f} to {high:.2f})"
    return f"**{text}**" if low > level else text


def _r(figures: Figures) -> str:
    if figures["r"] is None:
        return "n/a"
    low, high = figures["interval"]
    return f"{figures['r']:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
