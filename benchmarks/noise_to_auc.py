"""How long does U-noise train until its maps find the truth of the phantom, and how long the paper's plain loop?

Three sides: the plugin as it comes, everything counted from the noise floor over the pretraining, where `-o` asks for
one, to the last step; the plugin with its preset `quick`, never pretrained; and the paper's estimator in a plain loop
on the same U-Net (`plain_noise.py`: float32, default layout, gradients of all weights), with the same pretraining,
options and learning rates. Every few steps the clock is stopped and the maps of some test subjects are held against the
truth; a side ends when their mean AUC inside the brain reaches the goal. The plain side may also end at `--limit` times
the time that the plugin as it comes took: it then took longer than that.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from case import Case, make_case, values
from machine import describe_machine
from noise_run import after_every_step, first_network, mean_auc, restart
from plain_noise import plain_forward, plain_loss
from torch import Tensor

from interpbench.files.atomic import write_json
from interpbench.kit import learning_rate_schedule, settle
from interpbench.options import options_json, parse_options
from interpbench.pipeline.demo import DemoSettings
from interpbench_unoise.batches import collate
from interpbench_unoise.diagnostics import noise_floor
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.frozen import frozen_copy
from interpbench_unoise.noise import standard_normal
from interpbench_unoise.pretraining import pretrain
from interpbench_unoise.training import train_noise_model
from interpbench_unoise.unet import UNet

RESULTS = Path(__file__).parent / "results" / "noise_to_auc.json"
SIDES = ("ours", "quick", "plain")
CPU = torch.device("cpu")


class Reached(Exception):
    """The goal, or the limit of time."""


class Watch:
    """A clock that stands still while maps are measured.

    Args:
        measure: the figures now; `auc` among them.
        every: steps of the noise model between two measurements.
        goal: the AUC that ends it.
        limit: seconds that end it.
    """

    def __init__(self, measure: Callable[[], dict[str, float]], *, every: int, goal: float, limit: float) -> None:
        self.measure, self.every, self.goal, self.limit = measure, every, goal, limit
        self.curve: list[dict[str, float]] = []
        self.steps = 0
        self.counts = False  # steps: those of the pretraining are none
        self._spent, self._cpu_spent = 0.0, 0.0
        self._since, self._cpu_since = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Since it was made, without what measuring took."""
        return time.perf_counter() - self._since - self._spent

    @property
    def cpu_seconds(self) -> float:
        """The same of the processor's time: what other work on the machine takes does not count."""
        return time.process_time() - self._cpu_since - self._cpu_spent

    def step(self, *_: Any) -> None:
        """After a step of an optimiser."""
        if not self.counts:
            return
        self.steps += 1
        if self.steps % self.every:
            return
        row = {"step": self.steps, "seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}
        began, cpu_began = time.perf_counter(), time.process_time()
        self.curve.append({**row, **self.measure()})
        print(json.dumps(self.curve[-1]), flush=True)
        self._spent += time.perf_counter() - began
        self._cpu_spent += time.process_time() - cpu_began
        if self.curve[-1]["auc"] >= self.goal or row["seconds"] >= self.limit:
            raise Reached


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run both sides; returns what the result file holds."""
    asked = _parser().parse_args(words)
    demo = DemoSettings()
    explainer = UNoise(**parse_options(UNoise, [f"seed={asked.seed}", *asked.option]))
    settings = {
        "subjects": asked.subjects,
        "voxel_size_mm": asked.voxel_size,
        "seed": asked.seed,
        "network": {**demo.network, **values(asked.network_option)},
        "training": {**demo.train, **values(asked.train_option)},
        "unoise": options_json(explainer),
        "goal": asked.goal,
        "test_subjects": asked.test_subjects,
        "steps_between": asked.every,
        "plain_steps_between": asked.plain_every,
        "limit": asked.limit,
    }
    found: dict[str, Any] = {"settings": settings, "machine": describe_machine("cpu", asked.threads)}
    print(json.dumps(found, indent=2))
    case = make_case(
        asked.work,
        subjects=asked.subjects,
        voxel_size=asked.voxel_size,
        seed=asked.seed,
        network=settings["network"],
        training=settings["training"],
        device="cpu",
    )
    few = list(case.test[: asked.test_subjects])
    sides: dict[str, dict[str, Any]] = {}
    limit = math.inf
    quick = replace(explainer, **{"pretrain_epochs": 0, **UNoise.presets["quick"]})
    for name, method, run, every in (
        ("ours", explainer, ours, asked.every),
        ("quick", quick, ours, asked.every),
        ("plain", explainer, plain, asked.plain_every),
    ):
        if name in asked.sides:
            print(name)
            sides[name] = watched(case, few, method, run, every=every, goal=asked.goal, limit=limit)
            limit = min(limit, asked.limit * sides[name]["seconds"]) if name == "ours" else limit
    found["sides"] = sides
    if "plain" in sides:
        last = sides["plain"]
        found["share_of_plain"] = {
            name: {"is" if last["reached"] else "at_most": side["seconds"] / last["seconds"]}
            for name, side in sides.items()
            if side is not last
        }
    write_json(asked.out, found)
    print(json.dumps({name: side["seconds"] for name, side in sides.items()}), found.get("share_of_plain"))
    return found


def watched(
    case: Case,
    test: Sequence[Any],
    explainer: UNoise,
    run: Callable[..., None],
    *,
    every: int,
    goal: float,
    limit: float,
) -> dict[str, Any]:
    """One side, from its start to the goal."""
    network = first_network(explainer)
    watch = Watch(lambda: {"auc": mean_auc(network, case, test)}, every=every, goal=goal, limit=limit)
    reached = False
    with after_every_step(watch.step):
        try:
            run(case, explainer, network, watch)
        except Reached:
            reached = watch.curve[-1]["auc"] >= goal
    end = watch.curve[-1] if watch.curve else {"seconds": watch.seconds, "cpu_seconds": watch.cpu_seconds}
    return {
        "reached": reached,
        "steps": watch.steps,
        "seconds": end["seconds"],
        "cpu_seconds": end["cpu_seconds"],
        "curve": watch.curve,
    }


def ours(case: Case, explainer: UNoise, network: UNet, watch: Watch) -> None:
    """As `UNoise.fit` does it."""
    ways: dict[str, Any] = {"device": CPU, "precision": explainer.precision}
    noise_floor(case.predictor, case.validation, explainer.objective, device=CPU, batch_size=explainer.batch_size)
    quick = frozen_copy(case.predictor, case.training[0].volume[None], explainer.precision)
    if explainer.pretrain_epochs:
        pretrain(network, case.training, case.validation, explainer._schedule(explainer.pretrain_epochs), **ways)
    restart(network, explainer)
    watch.counts = True
    train_noise_model(
        network,
        quick,
        case.training,
        case.validation,
        explainer.objective,
        explainer._schedule(explainer.epochs),
        **ways,
    )


def plain(case: Case, explainer: UNoise, network: UNet, watch: Watch) -> None:
    """The paper's estimator, by one graph through everything."""
    predictor, aim = case.predictor, explainer.objective
    for module in (network, predictor.module):
        for weights in module.parameters():
            weights.data = weights.data.contiguous()
            weights.requires_grad_(True)
    try:
        if explainer.pretrain_epochs:
            _plain_epochs(
                case,
                explainer,
                explainer.pretrain_epochs,
                network,
                lambda batch, _: torch.nn.functional.mse_loss(plain_forward(network, batch.volumes), batch.volumes),
            )
        restart(network, explainer)
        watch.counts = True
        _plain_epochs(
            case,
            explainer,
            explainer.epochs,
            network,
            lambda batch, generator: plain_loss(
                lambda volumes: plain_forward(network, volumes),
                predictor.predict,
                batch.volumes,
                batch.targets,
                standard_normal(batch.volumes, generator),
                noise=aim.noise,
                r=aim.r,
                where=aim.where(batch.brains),
            ),
        )
    finally:
        settle(predictor.module, CPU).requires_grad_(False)
        for weights in predictor.module.parameters():
            weights.grad = None


def _plain_epochs(case: Case, explainer: UNoise, epochs: int, network: UNet, loss: Callable[..., Tensor]) -> None:
    optimiser = torch.optim.Adam(network.parameters(), explainer.learning_rate)
    steps = math.ceil(len(case.training) / explainer.batch_size)
    rates = learning_rate_schedule(
        optimiser,
        explainer.schedule,
        explainer.learning_rate,
        epochs=epochs,
        steps=steps,
        milestones_every=explainer.milestones_every,
    )
    for epoch in range(1, epochs + 1):
        generator = torch.Generator().manual_seed(1_000_003 * explainer.seed + epoch)
        for places in torch.randperm(len(case.training), generator=generator).tensor_split(steps):
            batch = collate([case.training[int(place)] for place in places], CPU)
            optimiser.zero_grad()
            loss(batch, generator).backward()
            optimiser.step()
            rates.step()


def _parser() -> argparse.ArgumentParser:
    demo = asdict(DemoSettings())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--work", type=Path, required=True, help="folder for phantom and predictor; what is there is used again")
    add("--out", type=Path, default=RESULTS, help=f"the result, JSON (default: {RESULTS.name} beside the others)")
    add("--seed", type=int, default=0)
    add("--subjects", type=int, default=demo["subjects"], help="of the phantom (default: the demo's)")
    add("--voxel-size", type=float, default=demo["voxel_size"], metavar="MM", help="(default: the demo's)")
    add("--goal", type=float, default=0.90, help="AUC a subject (default: 0.90)")
    add("--test-subjects", type=int, default=20, help="whose maps are measured (default: 20)")
    add("--every", type=int, default=5, help="steps of ours between measurements (default: 5)")
    add("--plain-every", type=int, default=20, help="steps of the plain loop between measurements (default: 20)")
    add("--limit", type=float, default=10.0, help="times our time after which the plain loop ends (default: 10)")
    add("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    add("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="of unoise, over its defaults")
    add("--network-option", action="append", default=[], metavar="NAME=VALUE", help="of the predictor")
    add("--train-option", action="append", default=[], metavar="NAME=VALUE", help="of the predictor's training")
    add("--threads", type=int, default=0, help="of torch (default: torch's own)")
    return parser


if __name__ == "__main__":
    main()
