"""How close does explaining a cohort come to the slowest of its stages, and does its memory stay flat?

The stages of a subject are reading (files, checks, checksums), the recipe (onto the network's grid), the network
(prediction and map), the way back (onto the file's grid) and writing (compressing, sidecar, flushing to the disk). Each
is timed alone, subject by subject, then `explain` as a whole, with stages overlapped (`--ahead`) and one after the
other, alternating, all in one process. Memory is followed in processes of their own, which do nothing but explain.
`aggregate` is timed over a quarter, a half and all of the maps, and reading beside nibabel's own, file by file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FEWEST = 2  # readings of a file that are thrown away before the others


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write the result; returns what the file holds."""
    asked = _parser().parse_args(words)
    from machine import describe_machine

    from interpbench.files.atomic import plain, write_json

    machine = describe_machine(asked.device, asked.threads)
    settings = plain({name: value for name, value in vars(asked).items() if name not in ("out", "work", "threads")})
    print(json.dumps({"settings": settings, "machine": machine}, indent=2))
    found: dict[str, Any] = {"settings": settings, "machine": machine, "cases": []}
    for case in _cases(asked):
        found["cases"].append(measure(case, asked))
        print(json.dumps(found["cases"][-1], indent=2))
        write_json(asked.out, found)
    print(asked.out)
    return found


def measure(case: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """One case: stages, wholes, memory, aggregation, reading beside nibabel."""
    from cohort_memory import in_own_process
    from cohort_stages import STAGES, explained, seconds, stages_alone

    from interpbench import read_cohort

    scratch = asked.work / f"{case.name}-scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    ways = {"overlapped": asked.ahead, "serial": 0}
    stages: dict[str, list[float]] = {name: [] for name in STAGES}
    whole: dict[str, list[float]] = {name: [] for name in ways}
    explained(case, asked.device, scratch / "warm-up", case.labels[:2], asked.ahead)
    for repeat in range(asked.repeats):
        for name, value in stages_alone(case, asked.device, scratch / f"stages-{repeat}").items():
            stages[name].append(value)
        for name, ahead in ways.items():
            out = scratch / f"{name}-{repeat}"
            whole[name].append(seconds(explained, case, asked.device, out, case.labels, ahead))
    middle = {name: statistics.median(values) for name, values in stages.items()}
    slowest = max(middle, key=lambda name: middle[name])
    images = [subject.image for subject in read_cohort(case.cohort, need_age=False).subjects[: asked.images]]
    return {
        "case": case.name,
        "subjects": len(case.labels),
        "stage_seconds": {name: _summary(values) for name, values in stages.items()},
        "slowest_stage": slowest,
        "sum_of_stages_to_slowest": round(sum(middle.values()) / middle[slowest], 3),
        "whole_seconds": {name: _summary(values) for name, values in whole.items()},
        "whole_to_slowest_stage": {
            name: round(statistics.median(values) / middle[slowest], 3) for name, values in whole.items()
        },
        "same_bytes": _contents(scratch / "overlapped-0") == _contents(scratch / "serial-0"),
        "memory": {
            name: in_own_process(case, asked.device, asked.threads, scratch / f"memory-{name}", ahead)
            for name, ahead in ways.items()
        },
        "aggregate": aggregation(scratch / "overlapped-0", scratch, ways),
        "reading": beside_nibabel(images, asked.repeats),
    }


def aggregation(maps: Path, scratch: Path, ways: dict[str, int]) -> dict[str, Any]:
    """Seconds to aggregate a quarter, a half and all of the maps, and what a further subject costs in each step."""
    from cohort_stages import seconds

    from interpbench import aggregate

    folders = sorted(maps.glob("sub-*"))
    numbers = [max(len(folders) // share, 1) for share in (4, 2, 1)]
    aggregate(maps, scratch / "population-warm-up")
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in numbers:
        part = scratch / f"maps-{number}"
        part.mkdir()
        shutil.copy(maps / "manifest.json", part)
        for folder in folders[:number]:
            shutil.copytree(folder, part / folder.name)
        for name, ahead in ways.items():
            took[name].append(seconds(aggregate, part, scratch / f"population-{number}-{name}", ahead=ahead))
    further = {
        name: [round((values[at + 1] - values[at]) / max(numbers[at + 1] - numbers[at], 1), 5) for at in (0, 1)]
        for name, values in took.items()
    }
    rounded = {name: [round(value, 3) for value in values] for name, values in took.items()}
    return {"subjects": numbers, "seconds": rounded, "seconds_a_further_subject": further}


def beside_nibabel(files: Sequence[Path], repeats: int) -> dict[str, Any]:
    """Milliseconds to read a file here and by `nibabel.load(file).get_fdata()`, alternating; medians over files."""
    import nibabel
    from cohort_stages import seconds

    from interpbench import read_volume

    def theirs(file: Path) -> None:
        image: Any = nibabel.load(file)
        image.get_fdata()

    milliseconds: dict[str, list[float]] = {"ours": [], "nibabel": []}
    for file in files:
        both = [(seconds(read_volume, file), seconds(theirs, file)) for _ in range(FEWEST + repeats)][FEWEST:]
        for name, values in zip(milliseconds, zip(*both, strict=True), strict=True):
            milliseconds[name].append(1e3 * statistics.median(values))
    ratios = [ours / other for ours, other in zip(*milliseconds.values(), strict=True)]
    each = {f"{name}_ms": _summary(values) for name, values in milliseconds.items()}
    return {"files": len(files), **each, "ratio": _summary(ratios)}


def _summary(values: Iterable[float]) -> dict[str, float]:
    found = sorted(values)
    return {"median": round(statistics.median(found), 4), "least": round(found[0], 4), "most": round(found[-1], 4)}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("sub-*/*"))}


def _cases(asked: argparse.Namespace) -> Iterable[Any]:
    from cohort_case import Case, full_case, phantom_case

    if asked.cohort:
        given = {"cohort": asked.cohort, "predictor": asked.predictor, "fitted": asked.fitted, "method": asked.method}
        yield Case(name="given", subjects=asked.subjects[0], **given)
        return
    numbers = dict(zip(asked.cases, asked.subjects, strict=True))
    common: dict[str, Any] = {
        "network": {"width": asked.width, "first_stride": asked.first_stride},
        "unoise": {"channels": asked.channels, "blocks": asked.blocks},
    }
    if "phantom" in numbers:
        size = {"subjects": numbers["phantom"], "voxel_size": asked.voxel_size}
        yield phantom_case(asked.work / "phantom", **size, **common)
    if "full" in numbers:
        yield full_case(asked.work / "full", subjects=numbers["full"], shape=asked.shape, **common)


def _shape(word: str) -> tuple[int, int, int]:
    i, j, k = (int(edge) for edge in word.split("x"))
    return i, j, k


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--work", type=Path, required=True, help="folder for cohorts, models and maps; cohorts there are used again")
    add("--cases", nargs="+", default=["phantom", "full"], choices=("phantom", "full"))
    add("--subjects", type=int, nargs="+", default=[200, 20], help="of each case (default: 200 20)")
    add("--repeats", type=int, default=3, help="of stages, wholes and readings (default: 3)")
    add("--ahead", type=int, default=2, help="as in `explain` (default: 2)")
    add("--images", type=int, default=50, help="that are read beside nibabel, at most (default: 50)")
    add("--voxel-size", type=float, default=4.0, help="of the phantom, mm (default: 4)")
    add("--shape", type=_shape, default=(140, 176, 140), metavar="IxJxK", help="of `full` (default: 140x176x140)")
    add("--width", type=int, default=16, help="of the ResNet-18 (default: 16)")
    add("--first-stride", type=int, default=1, help="of the ResNet-18 (default: 1)")
    add("--channels", type=int, default=16, help="after the U-Net's first block (default: 16)")
    add("--blocks", type=int, default=5, help="of the U-Net (default: 5)")
    add("--cohort", type=Path, help="explain these images instead, with --predictor, --fitted and --method")
    add("--predictor", type=Path)
    add("--fitted", type=Path)
    add("--method", default="unoise", help="(default: unoise)")
    add("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add("--threads", type=int, default=0, help="of torch on the CPU (default: torch's own)")
    add("--out", type=Path, default=HERE / "results" / "cohort.json", help="the result, JSON")
    return parser


if __name__ == "__main__":
    main()
