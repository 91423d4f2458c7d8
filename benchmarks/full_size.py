"""Does the paper's full-size setting run here, in which time and memory?

Measures steps of the two trainings of `unoise --preset paper` at 140 x 176 x 140: the autoencoder's, and the noise
model's with a full-width ResNet-18 (first stride 1) behind it. The subjects are random, in the shape of a brain. Each
measurement is a process of its own, so that each has its own peak: of resident memory on a CPU, of torch's allocations
on a GPU. The trainings are the plugin's own; a hook on the optimiser, which first waits for the device, tells when a
step has ended. The first step also pays for what is set up once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from random_case import shape_of

HERE = Path(__file__).parent
STEPS = ("pretraining", "noise")
PASSED_ON = ("device", "batch_size", "blocks", "channels", "width", "first_stride", "steps", "estimator", "threads")


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write the result; returns what the file holds."""
    asked = _parser().parse_args(words)
    if asked.only:
        print(json.dumps(measure(asked)))
        return {}
    found: dict[str, Any] = {"settings": _settings(asked), "machine": None, "steps": []}
    print(json.dumps(found["settings"], indent=2))
    for precision in asked.precision:
        for step in STEPS:
            row = _in_own_process(asked, step, precision)
            found["machine"] = row.pop("machine", None) or found["machine"]
            found["steps"].append({"step": step, "precision": precision, **row})
            print(json.dumps(found["steps"][-1]))
    from interpbench.files.atomic import write_json

    out = asked.out or HERE / "results" / f"full_size_{asked.device}.json"
    write_json(out, found)
    print(out)
    return found


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Run some steps of one training in this process.

    Returns:
        `seconds` of each step and their median; `memory_before_gib`, with the networks and subjects made;
        `peak_memory_gib`; numbers of parameters; what it ran on.
    """
    import torch
    from machine import describe_machine
    from random_case import memory, random_brains, random_predictor
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from interpbench.kit import settle
    from interpbench.options import typed_options
    from interpbench_unoise.explainer import UNoise
    from interpbench_unoise.frozen import frozen_copy
    from interpbench_unoise.loop import Schedule
    from interpbench_unoise.pretraining import pretrain
    from interpbench_unoise.training import train_noise_model
    from interpbench_unoise.unet import UNet

    machine = describe_machine(asked.device, asked.threads)
    device = torch.device(asked.device)
    torch.manual_seed(0)
    given = {"blocks": asked.blocks, "channels": asked.channels, "batch_size": asked.batch_size}
    explainer = UNoise(**typed_options(UNoise, {**UNoise.presets["paper"], **given, "estimator": asked.estimator}))
    network = settle(UNet(explainer.channels, explainer.blocks), device)
    samples = random_brains(asked.batch_size * asked.steps, asked.shape)
    settings: dict[str, Any] = {"device": device, "precision": asked.precision[0]}
    schedule = Schedule(
        epochs=1,
        batch_size=explainer.batch_size,
        learning_rate=explainer.learning_rate,
        kind=explainer.schedule,
        milestones_every=explainer.milestones_every,
        patience=0,
        seed=0,
        clip=explainer.clip,
    )
    predictor = None
    if asked.only == "noise":
        predictor = random_predictor(asked.shape, asked.width, asked.first_stride, device)
        predictor = frozen_copy(predictor, samples[0].volume[None].to(device), asked.precision[0])
    before, ends = memory(device), [time.perf_counter()]

    def ended(*_: Any) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        ends.append(time.perf_counter())

    hook = register_optimizer_step_post_hook(ended)
    try:
        ends[0] = time.perf_counter()
        if predictor is None:
            pretrain(network, samples, samples[:1], schedule, **settings)
        else:
            train_noise_model(network, predictor, samples, samples[:1], explainer.objective, schedule, **settings)
    finally:
        hook.remove()
    seconds = [round(end - start, 3) for start, end in itertools.pairwise(ends)]
    sizes = {"unet_parameters": sum(weights.numel() for weights in network.parameters())}
    if predictor is not None:
        sizes["predictor_parameters"] = sum(weights.numel() for weights in predictor.module.parameters())
    return {
        "seconds": seconds,
        "median_seconds": statistics.median(seconds),
        "memory_before_gib": before,
        "peak_memory_gib": memory(device, peak=True),
        **sizes,
        "machine": machine,
    }


def _in_own_process(asked: argparse.Namespace, step: str, precision: str) -> dict[str, Any]:
    command = [
        sys.executable,
        __file__,
        "--only",
        step,
        "--precision",
        precision,
        "--shape",
        "x".join(map(str, asked.shape)),
    ]
    for name in PASSED_ON:
        command += [f"--{name.replace('_', '-')}", str(getattr(asked, name))]
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if ended.returncode:
        why = f"killed by signal {-ended.returncode}, as when memory runs out" if ended.returncode < 0 else "failed"
        return {"failure": f"{why} (exit code {ended.returncode})"}
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def _settings(asked: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(asked).items() if name not in ("only", "out", "threads")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add("--precision", nargs="+", default=["float32"], choices=("float32", "bfloat16"), help="(default: float32)")
    add("--steps", type=int, default=1, help="of each training (default: 1)")
    add("--estimator", default="paper", help="of the noise model's gradient (default: paper)")
    add("--shape", type=shape_of, default=(140, 176, 140), metavar="IxJxK", help="(default: 140x176x140)")
    add("--batch-size", type=int, default=2, help="(default: 2)")
    add("--blocks", type=int, default=5, help="of the U-Net (default: 5)")
    add("--channels", type=int, default=16, help="after the U-Net's first block (default: 16)")
    add("--width", type=int, default=64, help="of the ResNet-18 (default: 64)")
    add("--first-stride", type=int, default=1, help="of the ResNet-18 (default: 1)")
    add("--threads", type=int, default=0, help="of torch on the CPU (default: torch's own)")
    add("--out", type=Path, help="the result, JSON (default: results/full_size_DEVICE.json)")
    add("--only", choices=STEPS, help=argparse.SUPPRESS)  # what a process of its own is asked for
    return parser


if __name__ == "__main__":
    main()
