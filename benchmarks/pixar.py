"""Which map of a network trained on real brains does the network itself bear out?

`interpbench benchmark` with every method and every measure, on a predictor and a U-noise that `interpbench train` and
`fit` made (`docs/results/pixar.md` has their command lines). Nobody knows where the truth is, so nothing is measured by
it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine
from phantom import OURS, kept

from interpbench import benchmark
from interpbench.files.atomic import read_json, write_json
from interpbench.options import split_options
from interpbench.pipeline.fitted import read_fitted

ROOT = Path(__file__).parents[1]


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; the same command goes on where it was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--cohort", type=Path, required=True)
    add("--predictor", type=Path, required=True, help="a folder of `interpbench train`")
    add("--fitted", type=Path, required=True, help="a folder of `interpbench fit --method unoise`")
    add("--work", type=Path, required=True, help="folder of the benchmark")
    add("--out", type=Path, default=ROOT / "benchmarks/results/pixar.json")
    add("--methods", default="all")
    add("--measures", default="all")
    add("--test-subjects", type=int, default=0, help="that take part; 0 for the whole test split")
    add("--repeats", type=int, default=4, help="test subjects on whom methods are run again")
    add("--benchmark-option", action="append", default=[], metavar="METHOD.NAME=VALUE")
    add("--device", default="cpu")
    add("--threads", type=int, default=0)
    asked = parser.parse_args(words)
    machine = describe_machine(asked.device, asked.threads)
    given = {
        "methods": asked.methods.split(","),
        "measures": asked.measures.split(","),
        "subjects": asked.test_subjects,
        "repeats": asked.repeats,
    }
    options = split_options(asked.benchmark_option)
    settings = {**given, "benchmark_options": options, "unoise": read_fitted(asked.fitted)["options"]}
    print(json.dumps({"settings": settings, "machine": machine}, indent=2))
    found = benchmark(
        asked.cohort, asked.predictor, asked.work, fitted=[asked.fitted], options=options, device=asked.device, **given
    )
    trained = read_json(asked.predictor / "model.json")["metrics"]["test"]
    run = {"label": "test split", "predictor": trained, **kept(found, OURS)}
    write_json(asked.out, {"settings": settings, "machine": machine, "runs": [run]})
    return dict(read_json(asked.out))


if __name__ == "__main__":
    main()
