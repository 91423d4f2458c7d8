"""Our side of `occlusion.py`: a whole run of the explainer `occlusion`, or one over a sample of its boxes.

A first run traces the network and tries the engine by a few plain passes; later ones, of another volume for example,
keep it, and are tried by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from occlusion_case import Case, Scene

from interpbench_occlusion.evaluation import Evaluation
from interpbench_occlusion.explainer import Occlusion
from interpbench_occlusion.replacement import Place, hull, replacement_values


@dataclass(frozen=True)
class Run:
    """What a run has given."""

    seconds: float  # for the whole volume
    effects: dict[int, float]  # of boxes, by their number in the grid
    estimated: bool = False  # whether the seconds are told by those of a sample


@dataclass(eq=False)
class Whole:
    """`explain`, all of it."""

    case: Case
    scene: Scene
    options: dict[str, Any]
    explainer: Occlusion = field(init=False)

    def __post_init__(self) -> None:
        self.explainer = Occlusion(box=self.case.box, stride=self.case.box, **self.options)

    def run(self) -> Run:
        start = time.perf_counter()
        _, extras = self.explainer.explain_with_extras(self.scene.predictor, self.scene.volume[None])
        seconds = time.perf_counter() - start
        effect, boxes = extras["effect"][0], self.case.grid.boxes
        corners = [tuple(span.start for span in box) for box in boxes]
        return Run(seconds, {index: float(effect[corner]) for index, corner in enumerate(corners)})

    @property
    def evaluation(self) -> Evaluation | None:
        """How the explainer works, after a run."""
        return self.explainer._evaluation


@dataclass(eq=False)
class Sampled:
    """The same for some of the boxes, and so the seconds for all that hold brain.

    A quarter of the sample is timed as well: the two differ by what boxes cost, for both share the clean pass.
    """

    case: Case
    scene: Scene
    options: dict[str, Any]
    sample: Sequence[int]
    boxes: int  # that hold brain
    evaluation: Evaluation | None = None

    def run(self) -> Run:
        volume, all_places = self.scene.volume, self.case.grid.boxes
        places: list[Place] = [all_places[index] for index in self.sample]
        fill = replacement_values("zero", volume[0], self.scene.brain, sigma=1.0, seed=0)
        start = time.perf_counter()
        if self.evaluation is None:
            told = {**self.options, "memory": self.options["memory"] * 2**30}
            self.evaluation = Evaluation.of(self.scene.predictor, volume, places, fill, **told)
        evaluation = self.evaluation
        made = time.perf_counter()
        effects = evaluation.effects(volume, places, fill)
        seconds = time.perf_counter() - made
        few = len(places) // 4
        fewer = _seconds(lambda: evaluation.effects(volume, places[:few], fill))
        rate = max(0.0, seconds - fewer) / max(1, len(places) - few)
        found = dict(zip(self.sample, effects.tolist(), strict=True))
        return Run(made - start + seconds + rate * (self.boxes - len(places)), found, estimated=True)


def operations(evaluation: Evaluation | None, places: Sequence[Place]) -> dict[str, float] | None:
    """Multiplications and additions of the convolutions, in a pass and for a box; None for plain passes."""
    route = None if evaluation is None or evaluation.engine is None else evaluation.engine.route(places)
    if route is None:
        return None
    program = route.program
    whole = sum(step.operations * program.numbers(step.result) for step in program.steps if step.operations)
    share = route.operations([hull(place) for place in places])
    return {"gflop_a_pass": whole / 1e9, "gflop_a_box": share * whole / 1e9, "share": share}


@torch.no_grad()
def exact(case: Case, scene: Scene, indices: Sequence[int]) -> dict[int, float]:
    """Effects by a network in float64."""
    network, volume, boxes = deepcopy(scene.networks["default"]).double(), scene.volume[None].double(), case.grid.boxes
    clean, effects = float(network(volume)), {}
    for index in indices:
        hidden = volume.clone()
        hidden[0, 0][boxes[index]] = 0
        effects[index] = clean - float(network(hidden))
    return effects


def differences(one: dict[int, float], other: dict[int, float], extent: float) -> dict[str, Any]:
    """The largest difference on the boxes that both know, as a share of the map's range."""
    shared = sorted(one.keys() & other.keys())
    largest = max((abs(one[index] - other[index]) for index in shared), default=float("nan"))
    return {"n": len(shared), "largest": largest / extent}


def bfloat16(case: Case, scene: Scene, options: dict[str, Any], exact_run: Run) -> dict[str, float]:
    """A whole first run in bfloat16, and how far its map lies from float32's."""
    found = Whole(case, scene, {**options, "precision": "bfloat16"}).run()
    indices = scene.with_brain(case.grid)
    pair = np.array([[run.effects[index] for index in indices] for run in (found, exact_run)])
    largest, extent = np.abs(pair[0] - pair[1]).max(), np.ptp(pair[1])
    return {"first_seconds": found.seconds, "largest_error": largest / extent, "r": float(np.corrcoef(pair)[0, 1])}


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
