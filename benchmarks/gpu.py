"""Full size on a GPU, all in one call: how near a step comes to what the device can do, and what a cohort would take.

The ceilings are measured first: a large copy (bytes read and written), a large matrix product in bfloat16. A step of
the noise model's training is counted, multiplications and additions by torch's own formulae, and the bytes that each of
torch's operations reads and writes, and timed. Bytes that a cache saves are counted all the same, so the share of the
bandwidth is of what is asked for, and may be above 1. Then one subject is explained, by occlusion and by U-noise.
Weights and subjects are random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from random_case import memory, random_brains, random_predictor, shape_of

HERE = Path(__file__).parent


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write the result; returns what the file holds."""
    asked = _parser().parse_args(words)
    import torch
    from machine import describe_machine

    from interpbench.files.atomic import plain, write_json

    device = torch.device(asked.device)
    settings = plain({name: value for name, value in vars(asked).items() if name not in ("out", "threads")})
    found: dict[str, Any] = {"settings": settings, "machine": describe_machine(asked.device, asked.threads)}
    torch.manual_seed(0)
    found["ceilings"] = ceilings(device, asked.repeats, asked.matrix)
    print(json.dumps(found["ceilings"]))
    predictor = random_predictor(asked.shape, asked.width, asked.first_stride, device)
    found["steps"] = []
    for estimator in asked.estimators:
        row = step(asked, device, predictor, estimator)
        row["share_of_bfloat16_peak"] = row["operations"] / row["seconds"] / found["ceilings"]["operations_a_second"]
        row["share_of_bandwidth"] = row["bytes"] / row["seconds"] / found["ceilings"]["bytes_a_second"]
        steps = asked.epochs * asked.subjects / asked.batch_size
        row["hours"] = {"epochs": asked.epochs, "subjects": asked.subjects, "hours": steps * row["seconds"] / 3600}
        found["steps"].append({"estimator": estimator, **row})
        print(json.dumps(found["steps"][-1]))
    found["explanations"] = explanations(asked, device, predictor)
    print(json.dumps(found["explanations"]))
    write_json(asked.out, found)
    print(asked.out)
    return found


def ceilings(device: Any, repeats: int, edge: int) -> dict[str, float]:
    """What the device can do: bytes a second of a copy, operations a second of a product of square matrices."""
    import torch

    values = torch.randn(edge * edge, device=device)
    there = torch.empty_like(values)
    one, two = (torch.randn(edge, edge, device=device, dtype=torch.bfloat16) for _ in range(2))
    copied = timed(lambda: there.copy_(values), device, repeats)
    multiplied = timed(lambda: one @ two, device, repeats)
    return {"bytes_a_second": 2 * values.nbytes / copied, "operations_a_second": 2 * edge**3 / multiplied}


def step(asked: argparse.Namespace, device: Any, predictor: Any, estimator: str) -> dict[str, Any]:
    """Seconds, operations and bytes of a step of the noise model's training, its optimiser included."""
    import torch

    from interpbench.kit import settle
    from interpbench_unoise.batches import collate
    from interpbench_unoise.explainer import UNoise
    from interpbench_unoise.frozen import frozen_copy
    from interpbench_unoise.loop import adam
    from interpbench_unoise.recalibration import Recalibration
    from interpbench_unoise.training import noise_step
    from interpbench_unoise.unet import UNet

    explainer = UNoise(estimator=estimator, channels=asked.channels, blocks=asked.blocks)
    network = settle(UNet(asked.channels, asked.blocks), device).train()
    batch = collate(random_brains(asked.batch_size, asked.shape), device)
    quick = frozen_copy(predictor, batch.volumes[:1], asked.precision)
    optimiser, recalibration = adam(network, 1e-4), Recalibration()

    def once() -> None:
        optimiser.zero_grad(set_to_none=True)
        epsilon = torch.randn_like(batch.volumes)
        noise_step(
            network, quick, batch, explainer.objective, epsilon, recalibration=recalibration, precision=asked.precision
        )
        optimiser.step()

    once()
    before = memory(device)
    seconds = timed(once, device, asked.repeats)
    with _counter() as counted:
        once()
    return {
        "seconds": seconds,
        "operations": counted.operations,
        "bytes": counted.bytes,
        "memory_before_gib": before,
        "peak_memory_gib": memory(device, peak=True),
    }


def explanations(asked: argparse.Namespace, device: Any, predictor: Any) -> dict[str, Any]:
    """Seconds to explain one subject, by each method: the first time, and again."""
    import torch

    from interpbench.kit import settle
    from interpbench_occlusion.explainer import Occlusion
    from interpbench_unoise.explainer import UNoise
    from interpbench_unoise.unet import UNet

    volume = random_brains(1, asked.shape)[0].volume[None].to(device)
    blank = UNoise(channels=asked.channels, blocks=asked.blocks)
    state = settle(UNet(asked.channels, asked.blocks), torch.device("cpu")).state_dict()
    methods = {"occlusion": Occlusion(box=(asked.box,) * 3, stride=(asked.box,) * 3), "unoise": blank.with_state(state)}
    found = {}
    for name, method in methods.items():
        first = timed(partial(method.explain, predictor, volume), device, 1, warm=0)
        again = timed(partial(method.explain, predictor, volume), device, 1, warm=0)
        found[name] = {"first_seconds": first, "seconds": again}
    return found


def timed(function: Callable[[], object], device: Any, repeats: int, warm: int = 2) -> float:
    """The median of some runs in seconds, each waited for, after some that warm up."""
    import torch

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    seconds = []
    for number in range(-warm, repeats):
        wait()
        start = time.perf_counter()
        function()
        wait()
        if number >= 0:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _counter() -> Any:
    """Counts what torch's operations do, and the bytes that they read and write; views move none.

    torch's own `FlopCounterMode` follows modules through the backward pass, which `autograd.grad` does not bear.
    """
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):
        operations = bytes = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = kwargs or {}
            made = func(*args, **given)
            if not func.is_view:
                moved = {id(one): one for one in tree_leaves((args, given, made)) if isinstance(one, Tensor)}
                self.bytes += sum(one.nbytes for one in moved.values())
            if func.overloadpacket in flop_registry:
                self.operations += int(flop_registry[func.overloadpacket](*args, **given, out_val=made))
            return made

    return Counter()  # type: ignore[no-untyped-call]  # torch's class has no types


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--device", default="cuda", help="(default: cuda)")
    add("--shape", type=shape_of, default=(140, 176, 140), metavar="IxJxK", help="(default: 140x176x140)")
    add("--batch-size", type=int, default=2, help="(default: 2)")
    add("--precision", default="bfloat16", choices=("float32", "bfloat16"), help="of the step (default: bfloat16)")
    add("--estimators", nargs="+", default=["paper", "recalibrated"], help="(default: both)")
    add("--width", type=int, default=64, help="of the ResNet-18 (default: 64)")
    add("--first-stride", type=int, default=1, help="of the ResNet-18 (default: 1)")
    add("--channels", type=int, default=16, help="after the U-Net's first block (default: 16)")
    add("--blocks", type=int, default=5, help="of the U-Net (default: 5)")
    add("--box", type=int, default=16, help="of occlusion, and its stride (default: 16)")
    add("--epochs", type=int, default=50, help="whose hours are told (default: the paper's 50)")
    add("--subjects", type=int, default=10_312, help="of an epoch (default: the paper's 10312)")
    add("--repeats", type=int, default=10, help="of each timing (default: 10)")
    add("--matrix", type=int, default=8192, help="edge of the matrices that tell the ceilings (default: 8192)")
    add("--threads", type=int, default=0, help="of torch on the CPU (default: torch's own)")
    add("--out", type=Path, default=HERE / "results" / "gpu.json", help="the result, JSON")
    return parser


if __name__ == "__main__":
    main()
