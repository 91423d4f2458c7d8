"""A benchmark's table in figures: means with intervals, tests, ranks, curves, agreement, cost, and sentences.

What comes out is the content of `benchmark.json`; only how the maps were made stands there besides.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.agreement import agreement
from interpbench.comparison.beliefs import beliefs
from interpbench.comparison.break_even import break_even
from interpbench.comparison.caution import warnings_of
from interpbench.comparison.families import family_of
from interpbench.comparison.headline import spokesmen
from interpbench.comparison.one_measure import bounds_of, compare
from interpbench.comparison.statistics import RESAMPLES, intervals
from interpbench.comparison.table import Table
from interpbench.comparison.verdict import verdict


def summarise(
    table: Table,
    measures: Sequence[Mapping[str, Any]],
    methods: Sequence[Mapping[str, Any]],
    curves: Iterable[Mapping[str, Any]] = (),
    *,
    unit: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """All figures of a benchmark, and the sentences that they allow.

    Args:
        table: the rows of measures.tsv.
        measures: as `measures` of benchmark.json has them: `metric`, and the fields of a `Measure`; those with steps
            are curves.
        methods: as `methods` of benchmark.json has them: at least `name`, `method`, `kind`, `template`, `blurred`,
            `learned`.
        curves: the rows of curves.tsv: `participant_id`, `method`, `measure`, `step`, `value`.
        unit: the predictor's.
        seed: of the bootstrap and of permutations.
        resamples: of the bootstrap.

    Returns:
        `unit`, `n`, `subjects`, `seed`, `methods`, `measures`, `results`, `curves`, `agreement`, `break_even`,
        `beliefs`, `verdict`, `verdict_families`, `warnings`, JSON-ready; numbers keep ten digits, so that no machine's
        last digits show in a file.
    """
    single = [one for one in measures if not one.get("steps")]
    results = {
        one["name"]: compare(table.scores(one["name"]), one.get("direction"), seed=seed, resamples=resamples)
        for one in single
    }
    found: dict[str, Any] = {
        "unit": unit,
        "n": len(table.subjects),
        "subjects": list(table.subjects),
        "seed": seed,
        "methods": [dict(one) for one in methods],
        "measures": [{**one, "unit": str(one.get("unit", "")).replace("{unit}", unit)} for one in measures],
        "results": results,
        "curves": _curves(curves, [one for one in measures if one.get("steps")], methods, seed, resamples),
        "agreement": _agreement(results, single, methods, seed),
        "break_even": _break_even(results, single, methods),
    }
    found = _short(found)
    said = verdict(found)
    return {
        **found,
        "beliefs": [dataclasses.asdict(one) for one in beliefs(found)],
        "verdict": [sentence for _, sentence in said],
        "verdict_families": [question for question, _ in said],
        "warnings": warnings_of(found),
    }


def _curves(
    rows: Iterable[Mapping[str, Any]],
    measures: Sequence[Mapping[str, Any]],
    methods: Sequence[Mapping[str, Any]],
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Mean and interval at each step, over the subjects; where all of them agree, the interval is that one value."""
    steps = {one["name"]: {_step(step): at for at, step in enumerate(one["steps"])} for one in measures}
    cells: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for row in rows:
        place = steps.get(row["measure"], {}).get(_step(row["step"]))
        if place is not None:
            subjects = cells.setdefault((row["measure"], row["method"]), {})
            curve = subjects.setdefault(row["participant_id"], np.full(len(steps[row["measure"]]), np.nan))
            curve[place] = math.nan if row["value"] in (None, "", "n/a") else float(row["value"])
    order = {one["name"]: at for at, one in enumerate(methods)}
    found: dict[str, Any] = {name: {} for name in steps}
    for measure, method in sorted(cells, key=lambda key: (order.get(key[1], len(order)), key[1])):
        subjects = cells[measure, method]
        values = np.stack([subjects[name] for name in sorted(subjects)])
        values = values[np.isfinite(values).any(axis=1)]
        if len(values):
            found[measure][method] = _curve(values, seed, resamples)
    return found


def _step(value: Any) -> float:
    return round(float(value), 9)


def _curve(values: np.ndarray, seed: int, resamples: int) -> dict[str, Any]:
    """Mean and interval of one curve, from values `(n, steps)`."""
    spread = intervals(values, seed=seed, resamples=resamples)
    mean = np.full(values.shape[1], np.nan)
    for at, column in enumerate(values.T):
        known = column[np.isfinite(column)]
        if len(known):
            mean[at] = known.mean()
        if len(known) > 2 and np.ptp(known) == 0:
            spread[at] = mean[at]
    return {"mean": mean.tolist(), "interval": [bounds_of(one) for one in spread], "n": len(values)}


def _agreement(
    results: Mapping[str, Any], measures: Sequence[Mapping[str, Any]], methods: Sequence[Mapping[str, Any]], seed: int
) -> dict[str, Any] | None:
    """Agreement over methods without floors and smoothed copies, whose ranks carry no information."""
    names = {one["name"] for one in methods if one.get("kind") != "floor" and not one.get("blurred")}
    directions = {one["name"]: one["direction"] for one in measures if one.get("direction") and family_of(one).agrees}
    means = {
        measure: {name: one["mean"] for name, one in results[measure]["methods"].items() if name in names}
        for measure in directions
    }
    return agreement(means, directions, seed=seed)


def _break_even(
    results: Mapping[str, Any], measures: Sequence[Mapping[str, Any]], methods: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Break-even rows by the first measure of a map's duration; empty without such a measure."""
    own = [one for one in methods if one.get("kind") != "floor" and not one.get("blurred")]
    training = {one["name"]: _number_of(one.get("training_seconds")) for one in own if one.get("learned")}
    for measure in spokesmen("cost", measures, results):
        measured = results[measure["name"]]["methods"]
        seconds = {one["name"]: measured[one["name"]]["mean"] for one in own if one["name"] in measured}
        return break_even(list(training), seconds, training)
    return []


def _number_of(value: float | None) -> float:
    return math.nan if value is None else value


def summary_rows(benchmark: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of summary.tsv: measures in their order, each method's figures in the order of the methods."""
    rows = []
    for measure in benchmark["measures"]:
        result = benchmark["results"].get(measure["name"], {"methods": {}})
        for name, one in result["methods"].items():
            low, high = one["interval"] or (None, None)
            rows.append(
                {
                    "measure": measure["name"],
                    "unit": measure["unit"],
                    "direction": measure["direction"],
                    "method": name,
                    "n": one["n"],
                    "mean": one["mean"],
                    "low": low,
                    "high": high,
                    "median": one["median"],
                    "sd": one["sd"],
                    "mean_rank": one["mean_rank"],
                    "best": ("yes" if name in result["best"] else "no") if measure["direction"] else None,
                }
            )
    return rows


def _short(value: Any) -> Any:
    """Numbers with ten digits; what is no number as None."""
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value
