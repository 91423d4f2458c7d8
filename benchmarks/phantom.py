"""Which map of a brain-age network points where age really acts, and which does the network itself bear out?

A phantom, a predictor and a U-noise for each seed, then `interpbench benchmark` over test subjects with every method
and every measure. What is kept is enough for tables and for every comparison with U-noise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine

from interpbench import benchmark, fit, train, write_phantom
from interpbench.files.atomic import read_json, write_json
from interpbench.options import split_options
from interpbench.pipeline.demo import DemoSettings

ROOT = Path(__file__).parents[1]
OURS = "unoise"


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run every seed; the same command goes on where it was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for phantoms, models, fits, benchmarks")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/phantom.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--subjects", type=int, default=500, help="of each phantom")
    parser.add_argument("--voxel-size", type=float, default=4.0, help="mm")
    parser.add_argument("--test-subjects", type=int, default=60, help="that take part in the benchmark")
    parser.add_argument("--repeats", type=int, default=6, help="test subjects on whom methods are run again")
    parser.add_argument("--refit-subjects", type=int, default=64)
    parser.add_argument("--methods", default="all")
    parser.add_argument("--measures", default="all")
    parser.add_argument("--network-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--train-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="of U-noise")
    parser.add_argument("--benchmark-option", action="append", default=[], metavar="METHOD.NAME=VALUE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args(words)
    machine = describe_machine(asked.device, asked.threads)
    settings = settings_of(asked)
    print(json.dumps({"settings": settings, "machine": machine}, indent=2))
    runs = []
    for seed in asked.seeds:
        started = time.perf_counter()
        found = one_seed(asked.work / f"seed{seed}", seed, settings, asked.device)
        runs.append({"seed": seed, "seconds": round(time.perf_counter() - started, 1), **found})
        results = {"settings": settings, "machine": machine, "runs": runs}
        write_json(asked.out, results)
    return dict(read_json(asked.out))


def settings_of(asked: argparse.Namespace) -> dict[str, Any]:
    """All that decides the result, JSON-ready; sizes not asked for are the demo's."""
    demo = DemoSettings()
    return {
        "subjects": asked.subjects,
        "voxel_size_mm": asked.voxel_size,
        "test_subjects": asked.test_subjects,
        "repeats": asked.repeats,
        "refit_subjects": asked.refit_subjects,
        "methods": asked.methods.split(","),
        "measures": asked.measures.split(","),
        "network": {**demo.network, **split_options(asked.network_option)},
        "train": {**demo.train, **split_options(asked.train_option)},
        "unoise": {**demo.method, "epochs": 6, **split_options(asked.option)},
        "benchmark_options": split_options(asked.benchmark_option),
    }


def one_seed(work: Path, seed: int, settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """One phantom from its first subject to its benchmark."""
    given: dict[str, Any] = {"seed": seed, "device": device}
    phantom, model, fitted = work / "phantom", work / "model", work / "fitted"
    if not (phantom / "participants.tsv").is_file():
        write_phantom(phantom, subjects=settings["subjects"], voxel_size=settings["voxel_size_mm"], seed=seed)
    options = {**settings["network"], **settings["train"]}
    trained = train(phantom, model, options=options, **given)
    explainer = fit(phantom, model, fitted, method=OURS, options=settings["unoise"], **given)
    found = benchmark(
        phantom,
        model,
        work / "benchmark",
        methods=settings["methods"],
        measures=settings["measures"],
        fitted=[fitted],
        subjects=settings["test_subjects"],
        repeats=settings["repeats"],
        template_of=OURS,
        refit_subjects=settings["refit_subjects"],
        options=settings["benchmark_options"],
        **given,
    )
    return {"predictor": trained["metrics"]["test"], "noise": explainer.record.get("diagnostics"), **kept(found)}


def kept(found: Mapping[str, Any], ours: str = OURS) -> dict[str, Any]:
    """A benchmark without the comparisons in which U-noise takes no part, and without its curves."""
    results = {
        name: {**result, "pairs": [pair for pair in result["pairs"] if ours in (pair["a"], pair["b"])], "groups": []}
        for name, result in found["results"].items()
    }
    names = ("unit", "n", "methods", "measures", "agreement", "break_even", "verdict", "warnings")
    return {**{name: found[name] for name in names}, "results": results}


if __name__ == "__main__":
    main()
