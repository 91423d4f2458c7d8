"""What does one map cost? The method runs again and is watched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

import torch

from interpbench import Case, Measure, Metric, NotApplicable, check_options, option
from interpbench.kit import counted_passes
from interpbench_measures.memory import peak_memory


@dataclass(frozen=True, kw_only=True)
class Cost(Metric):
    """Seconds, passes through the network and memory of one map, and the time that the method learned before.

    The first run is counted and its memory watched; those after it are timed, with nothing else going on.
    """

    repeats: ClassVar[bool] = True

    runs: int = option(1, "number of timed runs, of which the median is used", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (
            _measure("seconds", "s", "Time per map", "Time for one map", leads=1, column=True),
            _measure(
                "forward_equivalents", "volumes", "Forward passes per map", "Forward passes for one map, in volumes"
            ),
            _measure(
                "backward_equivalents", "volumes", "Backward passes per map", "Backward passes for one map, in volumes"
            ),
            _measure("peak_memory", "MiB", "Memory per map", "Peak of the additional memory for one map"),
            _measure("training_seconds", "s", "Time of fitting", "Time of fitting the method, once for all maps"),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        if case.copy_of:
            raise NotApplicable(f"a smoothed copy costs what {case.copy_of} costs")
        device = case.volume.device
        with counted_passes(case.predictor.module) as passes, peak_memory(device) as peak:
            case.explain()
        return {
            "seconds": median(_seconds(case) for _ in range(self.runs)),
            "forward_equivalents": float(passes.forward),
            "backward_equivalents": float(passes.backward),
            "peak_memory": peak.mebibytes,
            "training_seconds": case.training_seconds,
        }


def _seconds(case: Case) -> float:
    device = case.volume.device
    _synchronise(device)
    start = time.perf_counter()
    case.explain()
    _synchronise(device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measure(name: str, unit: str, title: str, help: str, **other: Any) -> Measure:
    return Measure(name=name, unit=unit, direction="lower", help=help, title=title, family="cost", **other)
