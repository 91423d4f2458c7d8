"""Which estimator of U-noise's gradient finds the truth, at which cost of time and of the prediction?

For each seed: a phantom, a predictor trained on it, and one U-Net, pretrained as an autoencoder with
`-o pretrain_epochs=N`, which all estimators start from. Each then trains the noise model, with the same settings, and
for the same number of epochs or, with `--budget`, for as many epochs as fit into the same wall time. After every epoch
the maps of the test subjects are held against the truth. Only training is timed. Gradient floors at matched noise stand
beside.

The settings are the demo's unless told otherwise. The result is written after every run, and the same command goes on
where it was interrupted.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from case import make_case, values
from floors import floors
from machine import describe_machine
from noise_run import restart, schedule_of, train_measured
from result_file import resumed

from interpbench.files.atomic import write_json
from interpbench.kit import settle
from interpbench.options import options_json, parse_options
from interpbench.pipeline.demo import DemoSettings
from interpbench_unoise.diagnostics import noise_floor
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.pretraining import pretrain
from interpbench_unoise.unet import UNet

RESULTS = Path(__file__).parent / "results" / "estimators.json"
ESTIMATORS = ("paper", "paper,clip=1", "antithetic", "recalibrated")


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; returns what the result file holds."""
    asked = _parser().parse_args(words)
    device = torch.device(asked.device)
    machine = describe_machine(asked.device, asked.threads)
    demo, method = DemoSettings(), options_json(_explainer("recalibrated", asked))
    settings = {
        "subjects": asked.subjects or demo.subjects,
        "voxel_size_mm": asked.voxel_size or demo.voxel_size,
        "network": {**demo.network, **values(asked.network_option)},
        "training": {**demo.train, **values(asked.train_option)},
        "method": {name: value for name, value in method.items() if name not in ("estimator", "seed")},
        "budget_seconds": asked.budget,
        "estimators": list(asked.estimators),
        "floor_samples": asked.samples,
        "blur_voxels": asked.blur,
    }
    print(json.dumps({"settings": settings, "seeds": asked.seeds, "machine": machine}, indent=2))
    results = resumed(asked.out, settings) or {
        "settings": settings,
        "machine": machine,
        "seeds": [],
        "runs": [],
        "floors": [],
    }
    for seed in asked.seeds:
        _run_seed(seed, asked, settings, results, device)
    return results


def _run_seed(
    seed: int, asked: argparse.Namespace, settings: Mapping[str, Any], results: dict[str, Any], device: torch.device
) -> None:
    left = [name for name in asked.estimators if not _have(results["runs"], seed=seed, estimator=name)]
    if not left and _have(results["floors"], seed=seed):
        return
    folder = asked.work / f"seed-{seed}"
    case = make_case(
        folder,
        subjects=settings["subjects"],
        voxel_size=settings["voxel_size_mm"],
        seed=seed,
        network=settings["network"],
        training=settings["training"],
        device=asked.device,
    )
    explainer = _explainer("recalibrated", asked, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        start = settle(UNet(explainer.channels, explainer.blocks), device)
    digest = hashlib.sha256(json.dumps(settings["method"], sort_keys=True).encode()).hexdigest()[:12]
    pretraining: list[dict[str, Any]] = []
    if explainer.pretrain_epochs:
        pretraining = pretrain(
            start,
            case.training,
            case.validation,
            schedule_of(explainer, explainer.pretrain_epochs),
            device=device,
            precision=explainer.precision,
            checkpoint=folder / f"pretraining-{digest}.pt",
        )
    restart(start, explainer)
    if not _have(results["seeds"], seed=seed):
        known = noise_floor(
            case.predictor, case.validation, explainer.objective, device=device, batch_size=explainer.batch_size
        )
        results["seeds"].append(
            {"seed": seed, "predictor": case.record["metrics"], "noise_floor": known, "pretraining": pretraining}
        )
    for name in left:
        found = train_measured(
            _explainer(name, asked, seed),
            copy.deepcopy(start),
            case,
            budget=asked.budget,
            blur=asked.blur,
            device=device,
        )
        results["runs"].append({"seed": seed, "estimator": name, **found})
        write_json(asked.out, results)
    if not _have(results["floors"], seed=seed):
        like = asked.estimators[-1]
        sigmas = next(one for one in results["runs"] if _have([one], seed=seed, estimator=like))["kept"]["rms_sigma"]
        common = {"seed": seed, "matched_to": like, "mean_sigma": sum(sigmas) / len(sigmas)}
        rows = floors(case, sigmas, samples=asked.samples, blur=asked.blur, device=device, seed=seed)
        results["floors"] += [{**common, **one} for one in rows]
        write_json(asked.out, results)


def _explainer(name: str, asked: argparse.Namespace, seed: int = 0) -> UNoise:
    """`paper,clip=1` with the settings that all estimators share."""
    estimator, *words = name.split(",")
    method = [f"{key}={value}" for key, value in DemoSettings().method.items()]
    shared = [*method, f"epochs={asked.epochs}", "patience=0", *asked.option]
    return UNoise(**parse_options(UNoise, [*shared, *words, f"estimator={estimator}", f"seed={seed}"]))


def _have(rows: Sequence[Mapping[str, Any]], **values: Any) -> bool:
    return any(all(row[name] == value for name, value in values.items()) for row in rows)


def _parser() -> argparse.ArgumentParser:
    demo = asdict(DemoSettings())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=RESULTS, help=f"the result, JSON (default: {RESULTS.name} beside the others)")
    add("--work", type=Path, required=True, help="folder for phantoms, predictors and checkpoints; may be used again")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--estimators", nargs="+", default=list(ESTIMATORS), metavar="NAME[,OPTION=VALUE]")
    add("--epochs", type=int, default=4, help="of the noise model (default: 4)")
    add("--budget", type=float, metavar="SECONDS", help="of training for each estimator, instead of --epochs")
    add("--subjects", type=int, help=f"of each phantom (default: {demo['subjects']})")
    add("--voxel-size", type=float, metavar="MM", help=f"(default: {demo['voxel_size']:g})")
    add("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help=f"of unoise, over {demo['method']}")
    add("--network-option", action="append", default=[], metavar="NAME=VALUE", help=f"over {demo['network']}")
    add("--train-option", action="append", default=[], metavar="NAME=VALUE", help=f"over {demo['train']}")
    add("--samples", type=int, default=10, help="noisy volumes a subject, of the floors (default: 10)")
    add("--blur", type=float, default=1.0, help="SD of the smoothing, in voxels (default: 1)")
    add("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add("--threads", type=int, default=0, help="of torch on the CPU (default: torch's own)")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
