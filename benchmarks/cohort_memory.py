"""The memory of a process that explains a cohort and does nothing else, while it goes from subject to subject.

What is resident at one moment depends on which stage the subjects at hand are in; mean and peak do not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interpbench.files.run_folder import RunFolder

EVERY = 0.005  # seconds


def in_own_process(case: Any, device: str, threads: int, out: Path, ahead: int) -> dict[str, Any]:
    """What `follow` finds in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--cohort",
        case.cohort,
        "--predictor",
        case.predictor,
        "--method",
        case.method,
        "--subjects",
        case.subjects,
        "--ahead",
        ahead,
        "--device",
        device,
        "--threads",
        threads,
        "--out",
        out,
        *(("--fitted", case.fitted) if case.fitted else ()),
    ]
    ended = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Explain, and print what was found as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("cohort", "predictor", "fitted", "out"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("subjects", "ahead", "threads"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--method")
    parser.add_argument("--device")
    asked = parser.parse_args(words)
    from cohort_case import Case
    from machine import describe_machine

    describe_machine(asked.device, asked.threads)
    case = Case(
        name="",
        cohort=asked.cohort,
        predictor=asked.predictor,
        fitted=asked.fitted,
        method=asked.method,
        subjects=asked.subjects,
    )
    print(json.dumps(follow(case, asked.device, asked.out, asked.ahead)))


def follow(case: Any, device: str, out: Path, ahead: int) -> dict[str, Any]:
    """For each tenth of the subjects, what is resident on average, and the peak so far, in MiB."""
    from cohort_stages import explained

    samples: list[list[float]] = [[]]  # a list for each subject
    peaks: list[float] = []
    ended = threading.Event()
    mark_done = RunFolder.mark_done

    def marked(self: Any, product: Path, record: Any) -> None:
        mark_done(self, product, record)
        if "extra" not in record:
            peaks.append(max([_resident(peak=True), *peaks[-1:]]))  # the kernel's count may be a few pages behind
            samples.append([])

    def watch() -> None:
        while not ended.wait(EVERY):
            samples[-1].append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    RunFolder.mark_done = marked  # type: ignore[method-assign]
    try:
        explained(case, device, out, case.labels, ahead)
    finally:
        RunFolder.mark_done = mark_done  # type: ignore[method-assign]
        ended.set()
        watcher.join()
    edges = sorted({round(len(peaks) * tenth / 10) for tenth in range(11)})
    means, highest = [], []
    for first, last in itertools.pairwise(edges):
        found = [one for some in samples[first:last] for one in some]
        means.append(round(statistics.fmean(found or peaks[first:last]), 1))
        highest.append(round(peaks[last - 1], 1))
    return {
        "subjects": len(peaks),
        "up_to_subject": edges[1:],
        "mean_mib": means,
        "peak_mib": highest,
        "mean_of_last_to_second_tenth": round(means[-1] / means[min(1, len(means) - 1)], 4),  # the first one loads
        "peak_at_end_to_first_tenth": round(highest[-1] / highest[0], 4),
    }


def _resident(peak: bool = False) -> float:
    """MiB that this process holds, or has held at most; the most in both where the system tells no other."""
    status = Path("/proc/self/status")
    if status.is_file():  # of this process alone; `getrusage` counts its parent's peak as well
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM" if peak else "VmRSS"))
        return int(line.split()[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
