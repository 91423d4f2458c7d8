"""How much faster is our occlusion than Captum's and MONAI's, at the same answer, and how near to the floor?

Each case (`occlusion_case.py`) is measured in one process: the peers, as their documentation calls them and with
network and volume in channels-last layout, for a few batches of several sizes (`occlusion_peers.py`), and in between
our run over the whole volume (`occlusion_ours.py`). A peer's time is its seconds a box times all boxes, for peers do
not leave the background out. Ours is told for a first run, which traces the network and tries it, and for
further ones. Memory is of processes of their own. `--scaling` times our side alone over sizes of boxes, strides and
volumes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CASES = (
    "resnet18:140x176x140:16",
    "resnet18:140x176x140:8:96",
    "resnet18:70x88x70:8",
    "resnet18_stride2:140x176x140:16",
    "densenet121:70x88x70:8",
    "sfcn:70x88x70:8",
)
SIDES = ("captum", "monai", "ours")
PASSED_ON = ("width", "seed", "brain", "batch_size", "memory", "threads")


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write the result; returns what the file holds. Cases that it held before stay."""
    asked = _parser().parse_args(words)
    from machine import describe_machine
    from occlusion_case import Case

    from interpbench.files.atomic import read_json, write_json

    machine = {**describe_machine("cpu", asked.threads), "captum": version("captum")}
    cases = [Case.of(word) for word in asked.cases]
    if asked.only:
        print(json.dumps(memory(cases[0], asked)))
        return {}
    settings = {name: value for name, value in vars(asked).items() if name not in ("cases", "only", "out", "threads")}
    told = {"settings": json.loads(json.dumps(settings, default=str)), "machine": machine}
    print(json.dumps({"cases": asked.cases, **told}, indent=2), flush=True)
    found: dict[str, Any] = {"cases": [], "scaling": None}
    if asked.out.is_file():
        found = read_json(asked.out)
    for case in cases:
        row = {**measure(case, asked), **told}
        found["cases"] = [one for one in found["cases"] if one["case"] != case.name] + [row]
        print(json.dumps(row, indent=2), flush=True)
        write_json(asked.out, found)
    if asked.scaling:
        from occlusion_scaling import scaling

        found["scaling"] = {**scaling(asked), **told}
        print(json.dumps(found["scaling"], indent=2))
        write_json(asked.out, found)
    print(asked.out)
    return found


def measure(case: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """One case: both peers in both layouts, ours, agreement, operations, memory."""
    from occlusion_case import LAYOUTS
    from occlusion_ours import Sampled, Whole, bfloat16, operations
    from occlusion_peers import Peers, shuffled, summary

    scene = _scene(case, asked)
    grid, with_brain = case.grid, scene.with_brain(case.grid)
    peers = Peers(case, scene, asked)
    options = _options(asked)
    if case.sample:
        known = [index for numbers in peers.numbers_asked() for index in numbers]
        sample = list(dict.fromkeys([*known, *peers.order]))[: max(case.sample, len(known))]
        ours: Any = Sampled(case, scene, options, shuffled(sample, 1), len(with_brain))
    else:
        ours = Whole(case, scene, options)
    runs = []
    for repeat in range(max(2, asked.repeats)):
        peers.measure("default", first=repeat == 0)
        runs.append(ours.run())
        print(f"{case.name}: ours {runs[-1].seconds:.2f} s, {'repeat' if repeat else 'first'}", flush=True)
        peers.measure("channels_last", first=repeat == 0)
    first, again = runs[0].seconds, [run.seconds for run in runs[1:]]
    rows = [peers.row(key) for key in peers.tried]
    best = {name: min(row["seconds"] for row in rows if row["layout"] == name) for name in LAYOUTS}
    flop = operations(ours.evaluation, [grid.boxes[index] for index in with_brain])
    if flop:
        # what a plain pass costs in the layout that is fast, times the share of it that a box needs
        flop["floor_seconds_a_box"] = best["channels_last"] / len(grid.boxes) * flop["share"]
        flop["times_floor"] = statistics.median(again) / len(with_brain) / flop["floor_seconds_a_box"]
    return {
        "case": case.name,
        "brain": scene.told,
        "boxes": len(grid.boxes),
        "boxes_with_brain": len(with_brain),
        "peers": rows,
        "ours": {
            "first_seconds": round(first, 4),
            "repeat_seconds": summary(again),
            "repeat_seconds_a_box": round(statistics.median(again) / len(with_brain), 5),
            "estimated": runs[0].estimated,
            "boxes_run": len(with_brain) if not case.sample else len(ours.sample),
            "incremental": flop is not None,
        },
        "times_as_fast": {
            name: {"first": round(seconds / first, 2), "repeat": round(seconds / statistics.median(again), 2)}
            for name, seconds in best.items()
        },
        "agreement": agreement(case, scene, runs[0], peers, asked),
        "operations": flop,
        "bfloat16": bfloat16(case, scene, options, runs[0]) if asked.bfloat16 and not case.sample else None,
        "memory": {name: _in_own_process(case, asked, name, peers) for name in SIDES} if asked.own_process else None,
    }


def agreement(case: Any, scene: Any, run: Any, peers: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """How far peers and ours lie apart, and each from float64, as a share of the map's range."""
    from occlusion_ours import differences, exact

    extent = max(run.effects.values()) - min(run.effects.values())
    found: dict[str, Any] = {"range": extent}
    for (peer, layout), effects in peers.effects.items():
        found[f"{peer}, {layout}"] = differences(effects, run.effects, extent)
    default, channels_last = (peers.effects["captum", name] for name in ("default", "channels_last"))
    found["captum, layouts"] = differences(default, channels_last, extent)
    if asked.float64:
        each = [[*peers.effects[peer, "default"]][: asked.float64] for peer in SIDES[:2]]
        truth = exact(case, scene, list(dict.fromkeys(itertools.chain(*each))))
        sides = {"ours": run.effects, **{", ".join(key): effects for key, effects in peers.effects.items()}}
        found["from_float64"] = {name: differences(effects, truth, extent) for name, effects in sides.items()}
    return found


def memory(case: Any, asked: argparse.Namespace) -> dict[str, float | None]:
    """Of this process while one side works: a batch of a peer's, or ours over every fourth box along each axis."""
    from occlusion_ours import Sampled
    from occlusion_peers import Peers

    scene, grid = _scene(case, asked), case.grid
    boxes = scene.with_brain(grid)
    before = _resident()
    if asked.only == "ours":
        _, along_j, along_k = (len(spans) for spans in grid.spans)
        some = [
            one
            for one in boxes
            if all(at % 4 == 2 for at in (one // (along_j * along_k), one // along_k % along_j, one % along_k))
        ]
        Sampled(case, scene, _options(asked), some or boxes, len(boxes)).run()
    else:
        peers = Peers(case, scene, asked)
        peers.clean["default"] = 0.0
        peers._measure(asked.only, "default", peers.sizes[0])
    return {"before_gib": before, "peak_gib": _resident(peak=True)}


def _in_own_process(case: Any, asked: argparse.Namespace, side: str, peers: Any) -> dict[str, Any]:
    size = 1 if side == "ours" else peers.best((side, "default"))
    command = [
        sys.executable,
        __file__,
        "--only",
        side,
        "--cases",
        case.name,
        "--batch-sizes",
        str(size),
        "--batches",
        "1",
    ]
    command += ["--image", str(asked.image)] if asked.image else []
    for name in PASSED_ON:
        command += [f"--{name.replace('_', '-')}", str(getattr(asked, name))]
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if ended.returncode:
        return {"failure": f"exit code {ended.returncode}", "batch_size": size}
    return {**json.loads(ended.stdout.splitlines()[-1]), **({} if side == "ours" else {"batch_size": size})}


def _scene(case: Any, asked: argparse.Namespace) -> Any:
    from occlusion_case import scene

    return scene(case, width=asked.width, seed=asked.seed, brain=asked.brain, image=asked.image)


def _options(asked: argparse.Namespace) -> dict[str, Any]:
    return {"batch_size": asked.batch_size, "memory": asked.memory, "precision": "float32"}


def _resident(peak: bool = False) -> float | None:
    """GiB that this process holds, or has held at most; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM" if peak else "VmRSS"))
    return round(int(line.split()[1]) / 2**20, 3)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "--cases",
        nargs="*",
        default=list(CASES),
        metavar="NETWORK:SHAPE:BOX[:SAMPLE]",
        help=f"(default: {' '.join(CASES)})",
    )
    add("--batch-sizes", type=int, nargs="+", default=[1, 2, 4], help="of the peers; the best one counts (1 2 4)")
    add("--most-voxels", type=int, default=7_000_000, help="in a batch of a peer's, for memory's sake (7000000)")
    add("--batches", type=int, default=2, help="of a peer that are timed in each round, after one for warming up (2)")
    add("--repeats", type=int, default=2, help="rounds, at least 2; our first one traces the network (2)")
    add("--batch-size", type=int, default=8, help="ours (8)")
    add("--memory", type=float, default=4.0, help="ours, GiB (4)")
    add("--width", type=int, default=64, help="channels of the networks' first stage (64)")
    add(
        "--brain",
        default="auto",
        choices=("auto", "image", "template", "ellipsoid"),
        help="auto: an image where there is one, else the phantom's template, else an ellipsoid",
    )
    add("--image", type=Path, help="a skull-stripped image (one of the folder INTERPBENCH_DATA)")
    add("--float64", type=int, default=0, help="boxes of each peer's to compare with a float64 network (0)")
    add("--bfloat16", action="store_true", help="our whole run in bfloat16 as well, and its error")
    add("--scaling", action="store_true", help="our time over sizes of boxes, strides and volumes")
    add("--scaling-shape", default="35x44x35", help="the smallest volume of --scaling (35x44x35)")
    add("--no-memory", dest="own_process", action="store_false", help="leave the peaks of memory out")
    add("--seed", type=int, default=0, help="of weights and noise (0)")
    add("--threads", type=int, default=0, help="of torch (torch's own)")
    add("--out", type=Path, default=HERE / "results" / "occlusion.json", help="the result, JSON")
    add("--only", choices=SIDES, help=argparse.SUPPRESS)  # what a process of its own is asked for
    return parser


if __name__ == "__main__":
    main()
