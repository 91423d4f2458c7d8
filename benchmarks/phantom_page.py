"""Write the tables of `docs/results/phantom.md` (or `pixar.md`) from what `phantom.py` (or `pixar.py`) measured.

Only what stands between the two markers is written; the words around it are somebody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from result_page import fill_page

ROOT = Path(__file__).parents[1]
OURS = "unoise"
HEADLINES = (
    "auc",
    "average_precision",
    "relevance_rank",
    "noise_tolerance",
    "noise_spread",
    "srg_mean",
    "srg_road",
    "region_srg_zero",
    "infidelity_corr",
    "randomised_spearman_all",
    "max_sensitivity",
    "repeat_icc",
    "seconds",
)

Run = Mapping[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Read the result, write the tables into the page."""
    fill_page(
        words, __doc__, ROOT / "benchmarks/results/phantom.json", ROOT / "docs/results/phantom.md", "tables", tables
    )


def tables(results: Mapping[str, Any]) -> list[str]:
    """All that the page says in figures, in Markdown."""
    runs = results["runs"]
    known = {name for run in runs for name, result in run["results"].items() if result["methods"]}
    measures = {one["name"]: one for one in runs[0]["measures"] if not one["steps"] and one["name"] in known}
    headline = [name for name in HEADLINES if name in measures]
    lines = ["### In one table", "", *standing(runs, headline, measures), ""]
    for name in headline:
        lines += [f"### {title(measures[name])}", "", *one_measure(runs, name), ""]
    others = [name for name in measures if name not in headline]
    which = ", the first seed" if len(runs) > 1 else ""
    lines += ["### Every other measure", "", f"Means over subjects{which}.", ""]
    lines += [*wide(runs[0], others, measures), "", "### Settings", "", "```json"]
    lines += [json.dumps({"settings": results["settings"], "machine": results["machine"]}, indent=2), "```"]
    return lines


def title(measure: Mapping[str, Any]) -> str:
    """A measure's name, unit and better direction."""
    unit = f", {measure['unit']}" if measure["unit"] else ""
    better = {"higher": ", higher is better", "lower": ", lower is better"}.get(measure["direction"], "")
    return f"`{measure['name']}`{unit}{better}"


def standing(runs: Sequence[Run], names: Sequence[str], measures: Mapping[str, Any]) -> list[str]:
    """Where U-noise stands on each headline measure, in each run."""
    rows = []
    for name in names:
        row = [f"`{name}`"]
        for run in runs:
            result = run["results"][name]
            mine = result["methods"].get(OURS)
            if mine is None:
                row.append("n/a")
                continue
            best = leader(result, measures[name]["direction"])
            verdict = "n/a" if not result["best"] else "tied for first" if OURS in result["best"] else "behind"
            verdict = "first" if best == OURS else verdict
            other = "" if best in (OURS, None) else f", best `{best}` {number(result['methods'][best]['mean'])}"
            row.append(f"{verdict}: {number(mine['mean'])}{other}, n = {mine['n']}")
        rows.append(row)
    return table(["measure", *(label(run) for run in runs)], rows)


def leader(result: Mapping[str, Any], direction: str | None) -> str | None:
    """The method with the best mean."""
    means = {name: one["mean"] for name, one in result["methods"].items() if one["mean"] is not None}
    if not means or direction is None:
        return None
    best = max if direction == "higher" else min
    return str(best(means, key=lambda name: means[name]))


def one_measure(runs: Sequence[Run], name: str) -> list[str]:
    """Every method in every run, with its interval; `*` where it is not told apart from the best."""
    found = [run["results"][name] for run in runs]
    order = sorted(
        {method for result in found for method in result["methods"]},
        key=lambda method: (sum(_rank(result, method) for result in found), method),
    )
    rows = []
    for method in order:
        cells = []
        for result in found:
            one = result["methods"].get(method)
            star = " \\*" if method in result["best"] else ""
            cells.append("n/a" if one is None else f"{number(one['mean'])}{spread(one['interval'])}{star}")
        effect = [_against(result, method) for result in found]
        rows.append([f"`{method}`", *cells, *effect])
    heads = ["method", *(f"{label(run)} (n = {result['n']})" for run, result in zip(runs, found, strict=True))]
    return table([*heads, *(f"U-noise against it, {label(run)}" for run in runs)], rows)


def _rank(result: Mapping[str, Any], method: str) -> float:
    one = result["methods"].get(method)
    return 999.0 if one is None or one["mean_rank"] is None else float(one["mean_rank"])


def _against(result: Mapping[str, Any], method: str) -> str:
    """U-noise minus this method: difference and Holm-corrected p."""
    for pair in result["pairs"]:
        if {pair["a"], pair["b"]} == {OURS, method}:
            sign = 1 if pair["a"] == OURS else -1
            p = pair["p_holm"]
            told = "n/a" if p is None else "< 0.001" if p < 1e-3 else f"{p:.2g}"
            return f"{sign * pair['difference']:+.3g}, p {told}"
    return "" if method == OURS else "n/a"


def wide(run: Run, names: Sequence[str], measures: Mapping[str, Any]) -> list[str]:
    """Means of every other measure, a row a measure and a column a method that is no copy."""
    methods = [one["name"] for one in run["methods"] if not one["blurred"]]
    rows = []
    for name in names:
        result = run["results"][name]["methods"]
        cells = [number(result[method]["mean"]) if method in result else "n/a" for method in methods]
        rows.append([title(measures[name]), *cells])
    return table(["measure", *(f"`{method}`" for method in methods)], rows)


def label(run: Run) -> str:
    """What a run is called in the tables."""
    return str(run.get("label", f"seed {run.get('seed')}"))


def number(value: float | None) -> str:
    """A figure for a table."""
    return "n/a" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def spread(interval: Sequence[float] | None) -> str:
    """An interval in brackets, or nothing."""
    return "" if interval is None else f" ({number(interval[0])} to {number(interval[1])})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]


if __name__ == "__main__":
    main()
