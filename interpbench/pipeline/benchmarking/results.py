"""From rows to what a reader opens: tables, figures with intervals, and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.comparison.summary import summarise, summary_rows
from interpbench.comparison.table import table_of
from interpbench.contract.metric import Metric
from interpbench.doubts import count_lines
from interpbench.files.atomic import read_json, write_json, write_tsv
from interpbench.host.ask_metric import declared
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.making import FoundMaps, said_of_resampled
from interpbench.pipeline.benchmarking.tables import Row, describe_measure, write_tables
from interpbench.run.study import Study

RECORD = "benchmark.json"
SETTINGS = ("blur", "template_of", "repeats", "refit_subjects", "regions_sha256", "truth_sha256")


def write_results(
    folder: Path,
    rows: Sequence[Row],
    found: FoundMaps,
    contestants: Sequence[Contestant],
    metrics: Sequence[tuple[str, Metric]],
    study: Study,
    manifest: Mapping[str, Any],
    doubts: Sequence[str] = (),
) -> dict[str, Any]:
    """Write `measures.tsv`, `curves.tsv`, `summary.tsv` and `benchmark.json`.

    Args:
        doubts: about the predictor, which are told before all else.

    Returns:
        The content of `benchmark.json`.
    """
    numbers, curves = write_tables(folder, rows)
    methods = [{**one.describe(), "note": _note(one, found)} for one in contestants]
    known = {one["name"] for one in methods}
    methods += [
        {
            "name": name,
            "method": name,
            "kind": "method",
            "template": False,
            "blurred": False,
            "signed": False,
            "learned": False,
            "options": {},
            "training_seconds": 0.0,
            "note": why,
        }
        for name, why in found.excluded.items()
        if name not in known
    ]
    measures = [describe_measure(name, measure, study.predictor.unit) for name, measure in declared(metrics)]
    write_json(folder / "measures.json", {"file": "measures.tsv", "measures": measures, "methods": methods})
    table = table_of(numbers, [one["name"] for one in methods])
    record = study.record
    summary = {
        "predictor": {
            "fingerprint": study.fingerprint,
            "unit": study.predictor.unit,
            "name": record.get("predictor"),
            "test": (record.get("metrics") or {}).get("test"),
        },
        "settings": {
            **{name: manifest.get(name) for name in SETTINGS},
            "measures": {name: read["options"] for name, read in manifest["measures"].items()},
        },
        **summarise(table, measures, methods, curves, unit=study.predictor.unit, seed=int(manifest["seed"])),
    }
    counted = count_lines(found.doubts, len(found.subjects))
    summary["doubts"] = list(doubts)
    summary["warnings"] = [*doubts, *counted, *_doubts(found), *_broken(rows, metrics), *summary["warnings"]]
    write_tsv(folder / "summary.tsv", summary_rows(summary))
    write_json(folder / RECORD, summary)
    return dict(read_json(folder / RECORD))


def _note(contestant: Contestant, found: FoundMaps) -> str:
    """The reason why a method has no maps or not all of them; empty if it has all."""
    if contestant.method in found.excluded:
        return found.excluded[contestant.method]
    missing = [why for (_, method), why in found.missing.items() if method == contestant.method]
    return f"no map of {len(missing)} of {len(found.subjects)} subjects, the first: {missing[0]}" if missing else ""


def _doubts(found: FoundMaps) -> list[str]:
    """The warnings that stand before the figures."""
    number = len(found.subjects)
    flat = [
        f"{method}: the map is constant for {count} of {number} subjects; it has no information about them."
        for method, count in found.flat.items()
        if count
    ]
    return [*flat, *said_of_resampled(found)]


def _broken(rows: Sequence[Row], metrics: Sequence[tuple[str, Metric]]) -> list[str]:
    """The first error of each metric that failed."""
    told: dict[str, str] = {}
    for row in rows:
        for name, _ in metrics:
            if row["note"] and row["note"].startswith(f"metric {name!r} "):
                told.setdefault(name, f"{row['participant_id']}, {row['method']}: {row['note']}")
    return list(told.values())
