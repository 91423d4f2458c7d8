"""Does pretraining the U-Net as an autoencoder make U-noise converge faster, its own time counted?

Arms differ in `pretrain_epochs` alone. Each has the same time of the processor in steps of training, pretraining
included, and trains the noise model for as many epochs as fit into what is left, so that the schedule of its learning
rate comes to its end. How many fit is told by a few steps before. Validation and measuring are not counted. A cohort
has one predictor; a seed is one of the U-Net's weights, the order of subjects and the noise. Arms alternate, and the
result is written after each: the same command goes on where it was interrupted, and prints the table.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from case import Case, cohort_case, make_case, values
from machine import describe_machine
from pretraining_run import epochs_within, evenly, run_arm, step_costs
from result_file import resumed

from interpbench.files.atomic import write_json
from interpbench.options import options_json, parse_options
from interpbench.pipeline.demo import DemoSettings
from interpbench_unoise.explainer import UNoise

PHANTOM = "phantom"


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run every arm of every seed; returns what the result file holds."""
    asked = _parser().parse_args(words)
    demo = DemoSettings()
    explainer = UNoise(**parse_options(UNoise, ["patience=0", *asked.option]))
    shared = options_json(explainer)
    settings = {
        "cohort": PHANTOM if asked.cohort == PHANTOM else Path(asked.cohort).name,
        "subjects": asked.subjects if asked.cohort == PHANTOM else None,
        "voxel_size_mm": asked.voxel_size,
        "network": {**demo.network, **values(asked.network_option)},
        "training": {**demo.train, **values(asked.train_option)},
        "unoise": {name: shared[name] for name in shared if name not in ("seed", "epochs", "pretrain_epochs")},
        "pretrain_epochs": asked.pretrain_epochs,
        "budget_cpu_seconds": asked.budget,
        "fit_subjects": asked.fit_subjects,
        "test_subjects": asked.test_subjects,
        "steps_between": asked.every,
        "goal": asked.goal,
    }
    results = resumed(asked.out, settings) or {
        "settings": settings,
        "machine": describe_machine("cpu", asked.threads),
        "runs": [],
    }
    print(json.dumps({name: results[name] for name in ("settings", "machine")}, indent=2), flush=True)
    done = {(run["seed"], run["pretrain_epochs"]) for run in results["runs"]}
    left = [arm for arm in arms(asked.seeds, asked.pretrain_epochs) if arm not in done]
    if left:
        case = _case(asked, settings)
        results["predictor"] = case.record["metrics"]
        training, test = evenly(case.training, asked.fit_subjects), evenly(case.test, asked.test_subjects)
        steps = math.ceil(len(training) / explainer.batch_size)
        if "step_cpu_seconds" not in results:
            results["step_cpu_seconds"] = step_costs(case, explainer, training, asked.probe_steps)
            results["validation_subjects"], results["steps_an_epoch"] = len(case.validation), steps
        for seed, pretrain_epochs in left:
            epochs = epochs_within(asked.budget, results["step_cpu_seconds"], pretrain_epochs, steps)
            print(f"seed {seed}, pretrain_epochs={pretrain_epochs}, epochs={epochs}", flush=True)
            arm = replace(explainer, seed=seed, pretrain_epochs=pretrain_epochs, epochs=epochs)
            found = run_arm(case, arm, training, [] if case.truth is None else test, asked.every)
            results["runs"].append({"seed": seed, **found})
            write_json(asked.out, results)
    print(table(results))
    return results


def arms(seeds: Sequence[int], pretrain_epochs: Sequence[int]) -> list[tuple[int, int]]:
    """Every seed's arms; every second seed has them in the other order, as a machine's speed may drift."""
    return [
        (seed, one)
        for place, seed in enumerate(seeds)
        for one in (pretrain_epochs if place % 2 == 0 else reversed(pretrain_epochs))
    ]


def table(results: Mapping[str, Any]) -> str:
    """In Markdown: a row an arm, seed by seed. Times are seconds of the processor, the pretraining's among them."""
    goal = results["settings"]["goal"]
    columns = (
        "seed",
        "`pretrain_epochs`",
        "CPU s in all",
        "of which pretraining",
        "epochs of the noise model",
        f"s to AUC {goal:g} (step of the noise model)",
        "AUC at the end",
        "lowest validation loss",
        "s to the loss that every arm reaches (epoch)",
    )
    lines = [_row(columns), _row(["---"] * len(columns))]
    for run in sorted(results["runs"], key=lambda run: (run["seed"], run["pretrain_epochs"])):
        common = max(min(_losses(one)) for one in results["runs"] if one["seed"] == run["seed"])
        at_goal = [row for row in run["aucs"] if row["auc"] >= goal]
        at_common = [row for row in run["curve"] if row["validation_loss"] <= common]
        cells = (
            run["seed"],
            run["pretrain_epochs"],
            f"{run['cpu_seconds']:.0f}",
            f"{run['pretraining_seconds']:.0f}",
            run["epochs"],
            _first(at_goal, "step") if run["aucs"] else "unknown",
            f"{run['aucs'][-1]['auc']:.3f}" if run["aucs"] else "unknown",
            f"{min(_losses(run)):.3f}",
            _first(at_common, "epoch"),
        )
        lines.append(_row(cells))
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _first(enough: Sequence[Mapping[str, Any]], unit: str) -> str:
    """When a curve is good enough for the first time."""
    return f"{enough[0]['cpu_seconds']:.0f} ({enough[0][unit]})" if enough else "never"


def _losses(run: Mapping[str, Any]) -> list[float]:
    return [row["validation_loss"] for row in run["curve"]]


def _case(asked: argparse.Namespace, settings: Mapping[str, Any]) -> Case:
    """The phantom of seed 0, or the cohort asked for, with a predictor of seed 0."""
    common: dict[str, Any] = {
        "network": settings["network"],
        "training": settings["training"],
        "seed": 0,
        "device": "cpu",
    }
    if asked.cohort == PHANTOM:
        return make_case(asked.work, subjects=asked.subjects, voxel_size=asked.voxel_size, **common)
    recipe = {"voxel_size": asked.voxel_size}
    return cohort_case(Path(asked.cohort), asked.work / "model", recipe=recipe, **common)


def _parser() -> argparse.ArgumentParser:
    demo = asdict(DemoSettings())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--cohort", default=PHANTOM, help="`phantom`, or a folder with participants.tsv (default: phantom)")
    add("--voxel-size", type=float, default=2.0, metavar="MM", help="of phantom and network (default: 2)")
    add("--work", type=Path, required=True, help="folder for phantom and predictor; what is there is used again")
    add("--out", type=Path, required=True, help="the result, JSON")
    add("--seeds", type=int, nargs="+", default=[0, 1])
    add("--budget", type=float, default=360.0, metavar="SECONDS", help="of the processor, for each arm (default: 360)")
    add("--pretrain-epochs", type=int, nargs="+", default=[0, 4], metavar="N", help="the arms (default: 0 4)")
    add("--subjects", type=int, default=160, help="of the phantom (default: 160)")
    add("--fit-subjects", type=int, default=32, help="of the training split, to fit U-noise to (default: 32)")
    add("--test-subjects", type=int, default=6, help="whose maps are held against the truth (default: 6)")
    add("--every", type=int, default=4, help="steps between two measurements of the AUC (default: 4)")
    add("--probe-steps", type=int, default=3, help="timed before, of each kind (default: 3)")
    add("--goal", type=float, default=0.90, help="AUC, for the table (default: 0.90)")
    add("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="of unoise, over its defaults")
    add("--network-option", action="append", default=[], metavar="NAME=VALUE", help=f"over {demo['network']}")
    add("--train-option", action="append", default=[], metavar="NAME=VALUE", help=f"over {demo['train']}")
    add("--threads", type=int, default=1, help="of torch (default: 1, where the processor's time is wall time)")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
