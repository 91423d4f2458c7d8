"""How much faster, and in how much less memory, is a step of the noise model's training than the plain loop's?

Two sides, one process: the plain loop (`plain_noise.py`) and the plugin's own step, with the paper's estimator and with
the default one, in float32 and in bfloat16. They take turns, in another order each round; the result holds every
time, the median and the quartiles. Memory is the peak of a process that does nothing but a side's steps. The subjects
are random, in the shape of a brain, and so are the weights, which changes neither time nor memory.

Equal loss: with the same weights of the plugin's networks and the same noise, Eq. 2 of the paper by plain arithmetic
(float32, default layout, full graph) beside what the step minimises.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from random_case import shape_of

HERE = Path(__file__).parent
PASSED_ON = ("batch_size", "blocks", "channels", "width", "rounds", "threads")
PAPER, OURS = ("paper", "recalibrated")


@dataclass(frozen=True)
class Side:
    """One way to do a step; `estimator=None` is the plain loop."""

    name: str
    estimator: str | None = None
    precision: str = "float32"


SIDES = (
    Side("plain"),
    *(Side(f"{way} {precision}", way, precision) for way in (PAPER, OURS) for precision in ("float32", "bfloat16")),
)


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write the result; returns what the file holds."""
    asked = _parser().parse_args(words)
    if asked.only is not None:
        print(json.dumps(memory_of(asked, SIDES[asked.only])))
        return {}
    from machine import describe_machine

    from interpbench.files.atomic import write_json

    settings = {name: value for name, value in vars(asked).items() if name not in ("only", "out", "threads")}
    found: dict[str, Any] = {"settings": settings, "machine": describe_machine("cpu", asked.threads)}
    print(json.dumps(found, indent=2))
    found["networks"], found["equal_loss"] = equal_loss(asked)
    print(json.dumps(found["equal_loss"], indent=2))
    times = seconds_of(asked)
    plain_time = statistics.median(times["plain"]["wall"])
    plain_peak, rows = None, []
    for place, side in enumerate(SIDES):
        memory = _in_own_process(asked, place)
        plain_peak = plain_peak or memory.get("peak_memory_gib")
        wall = times[side.name]["wall"]
        row = {
            **asdict(side),
            "median_seconds": round(statistics.median(wall), 4),
            "quartile_seconds": [round(one, 4) for one in quartiles(wall)],
            "times_faster": round(plain_time / statistics.median(wall), 2),
            "median_cpu_seconds": round(statistics.median(times[side.name]["cpu"]), 4),
            "seconds": [round(one, 4) for one in wall],
            **memory,
        }
        if plain_peak and "peak_memory_gib" in memory:
            row["share_of_plain_peak"] = round(memory["peak_memory_gib"] / plain_peak, 3)
        rows.append(row)
        print(json.dumps({name: value for name, value in row.items() if name != "seconds"}))
    found["sides"] = rows
    out = asked.out or HERE / "results" / "noise_step.json"
    write_json(out, found)
    print(out)
    return found


def seconds_of(asked: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Wall and processor seconds of each side's steps, after one that warms up."""
    steps = {side.name: step_of(asked, side) for side in SIDES}
    times: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in steps}
    for step in steps.values():
        step()
    names = list(steps)
    for turn in range(asked.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            steps[name]()
            times[name]["wall"].append(time.perf_counter() - wall)
            times[name]["cpu"].append(time.process_time() - cpu)
    return times


def memory_of(asked: argparse.Namespace, side: Side) -> dict[str, Any]:
    """Peak of this process's memory over a few steps of one side, and what it held before the first."""
    import torch
    from machine import describe_machine
    from random_case import memory

    describe_machine("cpu", asked.threads)
    step, device = step_of(asked, side), torch.device("cpu")
    before = memory(device)
    for _ in range(2):
        step()
    return {"memory_before_gib": before, "peak_memory_gib": memory(device, peak=True)}


def step_of(asked: argparse.Namespace, side: Side) -> Callable[[], None]:
    """A function that does one step of the side, noise and optimiser included."""
    import torch

    from interpbench_unoise.batches import collate
    from interpbench_unoise.frozen import frozen_copy
    from interpbench_unoise.loop import adam
    from interpbench_unoise.noise import standard_normal
    from interpbench_unoise.recalibration import Recalibration
    from interpbench_unoise.training import noise_step

    explainer, network, predictor, samples = _made(asked, side.estimator or PAPER)
    generator = torch.Generator().manual_seed(0)
    batch = collate(samples, torch.device("cpu"))
    if side.estimator is None:
        from plain_noise import dyn_unet, padded, plain_loss

        unet = dyn_unet(asked.channels, asked.blocks)
        network = None
        module = _as_it_comes(predictor.module)
        volumes, targets = padded(batch.volumes.contiguous(), 2**asked.blocks), batch.targets
        optimiser = torch.optim.Adam(unet.parameters(), explainer.learning_rate)

        def plain() -> None:
            optimiser.zero_grad()
            epsilon = torch.randn(volumes.shape, generator=generator)
            plain_loss(
                unet,
                lambda noisy: module(noisy)[:, 0] + predictor.offset,
                volumes,
                targets,
                epsilon,
                noise=explainer.objective.noise,
                r=explainer.r,
            ).backward()
            optimiser.step()

        return plain
    quick = frozen_copy(predictor, batch.volumes[:1], side.precision)
    if quick is predictor:
        raise RuntimeError("the predictor's copy was refused: what is timed would not be what the plugin does")
    optimiser, recalibration = adam(network, explainer.learning_rate), Recalibration()

    def ours() -> None:
        optimiser.zero_grad(set_to_none=True)
        noise_step(
            network,
            quick,
            batch,
            explainer.objective,
            standard_normal(batch.volumes, generator),
            recalibration=recalibration,
            precision=side.precision,
        )
        optimiser.step()

    return ours


def equal_loss(asked: argparse.Namespace) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Numbers of parameters; and of each of our sides the loss, beside plain arithmetic with the same weights."""
    import copy

    import torch
    from plain_noise import plain_forward, plain_loss

    from interpbench_unoise.batches import collate
    from interpbench_unoise.frozen import frozen_copy
    from interpbench_unoise.noise import standard_normal
    from interpbench_unoise.recalibration import Recalibration
    from interpbench_unoise.training import noise_step

    rows, sizes = [], {}
    for side in SIDES[1:]:
        explainer, network, predictor, samples = _made(asked, side.estimator or PAPER)
        batch, aim = collate(samples, torch.device("cpu")), explainer.objective
        epsilon = standard_normal(batch.volumes, torch.Generator().manual_seed(1))
        plain_network = copy.deepcopy(network)
        for weights in plain_network.parameters():
            weights.data = weights.data.contiguous()
        with torch.no_grad():
            expected = plain_loss(
                partial(plain_forward, plain_network),
                predictor.predict,
                batch.volumes.contiguous(),
                batch.targets,
                epsilon,
                noise=aim.noise,
                r=aim.r,
                where=aim.where(batch.brains),
            )
        predictions, penalties = noise_step(
            network,
            frozen_copy(predictor, batch.volumes[:1], side.precision),
            batch,
            aim,
            epsilon,
            recalibration=Recalibration(),
            precision=side.precision,
        )
        loss = float(((predictions - batch.targets) ** 2 + aim.r * penalties).mean())
        rows.append(
            {
                "side": side.name,
                "plain_loss": float(expected),
                "loss": loss,
                "relative_difference": abs(loss - float(expected)) / abs(float(expected)),
            }
        )
        sizes = {
            "unet_parameters": sum(one.numel() for one in network.parameters()),
            "predictor_parameters": sum(one.numel() for one in predictor.module.parameters()),
        }
    return sizes, rows


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third; of one value, itself twice."""
    first, _, third = statistics.quantiles([*values, *values] if len(values) == 1 else values, n=4, method="inclusive")
    return first, third


def _made(asked: argparse.Namespace, estimator: str) -> tuple[Any, Any, Any, Any]:
    """Explainer, U-Net, predictor and subjects, the same for every side."""
    import torch
    from random_case import random_brains, random_predictor

    from interpbench.kit import settle
    from interpbench.options import typed_options
    from interpbench_unoise.explainer import UNoise
    from interpbench_unoise.unet import UNet

    torch.manual_seed(0)
    preset: Mapping[str, Any] = UNoise.presets["paper"] if estimator == PAPER else {}
    given = {"blocks": asked.blocks, "channels": asked.channels, "batch_size": asked.batch_size}
    explainer = UNoise(**typed_options(UNoise, {**preset, **given, "estimator": estimator}))
    network = settle(UNet(explainer.channels, explainer.blocks), torch.device("cpu")).train()
    predictor = random_predictor(asked.shape, asked.width, 1, torch.device("cpu"))
    return explainer, network, predictor, random_brains(asked.batch_size, asked.shape)


def _as_it_comes(module: Any) -> Any:
    """The network in torch's default layout, with weights that ask for gradients."""
    for weights in module.parameters():
        weights.data = weights.data.contiguous()
    return module.requires_grad_(True)


def _in_own_process(asked: argparse.Namespace, place: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", str(place), "--shape", "x".join(map(str, asked.shape))]
    for name in PASSED_ON:
        command += [f"--{name.replace('_', '-')}", str(getattr(asked, name))]
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if ended.returncode:
        return {"failure": f"exit code {ended.returncode}"}
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form, allow_abbrev=False)
    add = parser.add_argument
    add("--shape", type=shape_of, default=(70, 88, 70), metavar="IxJxK", help="(default: 70x88x70)")
    add("--batch-size", type=int, default=2, help="(default: 2)")
    add("--blocks", type=int, default=5, help="of the U-Net (default: 5)")
    add("--channels", type=int, default=16, help="after the U-Net's first block (default: 16)")
    add("--width", type=int, default=64, help="of the ResNet-18 (default: 64)")
    add("--rounds", type=int, default=5, help="steps of each side that are timed (default: 5)")
    add("--threads", type=int, default=0, help="of torch (default: torch's own)")
    add("--out", type=Path, help="the result, JSON (default: results/noise_step.json)")
    add("--only", type=int, help=argparse.SUPPRESS)  # what a process of its own is asked for
    return parser


if __name__ == "__main__":
    main()
