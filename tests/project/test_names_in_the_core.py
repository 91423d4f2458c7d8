"""The core knows no method and no measure by name: what it needs of one, the component declares."""

from __future__ import annotations

import ast
from pathlib import Path

import interpbench
from interpbench.host.registry import discover

CORE = Path(interpbench.__file__).parent
# The demo is a choice of methods and measures, and names the parts of its own record.
DEMO = {"cli/demo.py", "pipeline/demo.py", "pipeline/demo_page.py"}
KEYS = "files/written/"  # what the keys of written files mean, each under its own name
# Words of the core that happen to be the name of a component or a measure as well, and what they stand for there.
WORDS = {
    "auc": {"predictor/accuracy.py"},  # a classifier's figure
    "complexity": {"comparison/families.py"},  # a family of measures, as are the next three
    "cost": {
        "comparison/families.py",
        "comparison/summary.py",
        "comparison/verdict.py",
        "contract/declaration.py",
        "report/benchmark/matrix.py",
        "report/benchmark/page.py",
    },
    "localisation": {"comparison/families.py"},
    "randomisation": {
        "comparison/families.py",
        "comparison/sanity.py",
        "comparison/standings.py",
        "comparison/verdict.py",
        "report/benchmark/matrix.py",
    },
    "person": {"cohort/persons.py", "comparison/families.py"},  # a column of scans of one; a family
    "mass_outside_brain": {"maps/files.py"},  # a figure in a map's sidecar
    "random": {"testing/metric.py", "training/checkpoint.py"},  # toy maps; states of random generators
    "seconds": {"files/run_folder.py"},  # a precision of times
    "smoothgrad": {"pipeline/explaining_volume.py"},  # what a notebook takes where it names no method
    "template": {  # whether a method is one, in benchmark.json
        "comparison/beliefs.py",
        "comparison/standings.py",
        "comparison/verdict.py",
        "pipeline/benchmarking/contestants.py",
        "pipeline/benchmarking/results.py",
        "report/benchmark/order.py",
    },
    "training_seconds": {  # how long a method learned, in fitted.json and benchmark.json
        "comparison/break_even.py",
        "comparison/summary.py",
        "pipeline/benchmarking/contestants.py",
        "pipeline/benchmarking/entering.py",
        "pipeline/benchmarking/maps.py",
        "pipeline/benchmarking/results.py",
        "pipeline/fitted.py",
    },
}


def names() -> set[str]:
    """Of every built-in method, metric and measure."""
    registry = discover()
    metrics = [one.name for one in registry.components("metric") if one.plugin.distribution == "interpbench"]
    methods = [one.name for one in registry.components("explainer") if one.plugin.distribution == "interpbench"]
    measures = [measure.name for name in metrics for measure in registry.load("metric", name)().measures]
    return {*methods, *metrics, *measures}


def test_no_text_in_the_core_is_the_name_of_a_method_or_a_measure() -> None:
    known = names()
    assert {"unoise", "saliency", "random", "localisation", "auc", "srg_road", "noise_tolerance"} <= known
    found: dict[str, set[str]] = {}
    for file in sorted(CORE.rglob("*.py")):
        place = file.relative_to(CORE).as_posix()
        texts = {node.value for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Constant)}
        for name in known & {text for text in texts if isinstance(text, str)}:
            if place not in DEMO and not place.startswith(KEYS):
                found.setdefault(name, set()).add(place)
    assert found == WORDS
