"""How our time grows with the box, the stride and the volume: seconds ~ x ** exponent, fitted on logarithms."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from occlusion_case import Case, Scene, edges, scene
from occlusion_peers import summary

from interpbench_occlusion.boxes import BoxGrid, Edges
from interpbench_occlusion.evaluation import Evaluation
from interpbench_occlusion.replacement import replacement_values


@dataclass(frozen=True)
class Point:
    """What is timed."""

    x: float
    shape: Edges
    box: int
    stride: int


def scaling(asked: argparse.Namespace) -> dict[str, Any]:
    """Time our side, its trace made before; the other two are held as far as they can be."""
    shape = edges(asked.scaling_shape)
    scenes: dict[Edges, Scene] = {}
    found: dict[str, Any] = {"network": "resnet18", "shape": asked.scaling_shape}
    for name, points in sweeps(shape).items():
        rows = []
        for point in points:
            if point.shape not in scenes:
                case = Case(network="resnet18", shape=point.shape, box=point.box)
                told = {"width": asked.width, "seed": asked.seed, "brain": asked.brain, "image": asked.image}
                scenes[point.shape] = scene(case, **told)
            rows.append(_timed(point, scenes[point.shape], asked))
            print(f"scaling, {name} {point.x:g}: {rows[-1]['seconds']['median']:.2f} s", flush=True)
        xs = [row["x"] for row in rows]
        found[name] = {
            "points": rows,
            "exponent": exponent(xs, [row["seconds"]["median"] for row in rows]),
            "exponent_a_box": exponent(xs, [row["seconds"]["median"] / row["boxes_with_brain"] for row in rows]),
        }
    return found


def sweeps(shape: Edges) -> dict[str, list[Point]]:
    """Boxes of a ninth of the volume's first edge, and multiples of it.

    `box` keeps the stride, `stride` the box, and `edge` the number of boxes.
    """
    unit = max(2, round(shape[0] / 9))
    boxes = sorted({round(unit * factor) for factor in (1, 1.5, 2, 3)})
    strides = sorted({round(unit * factor) for factor in (0.75, 1, 1.5, 2)})
    grown = []
    for factor in (1, 1.5, 2):
        i, j, k = (round(edge * factor) for edge in shape)
        box = round(unit * factor)
        grown.append(Point(round((i * j * k) ** (1 / 3), 2), (i, j, k), box, box))
    return {
        "box": [Point(box, shape, box, unit) for box in boxes],
        "stride": [Point(stride, shape, 2 * unit, stride) for stride in strides],
        "edge": grown,
    }


def exponent(xs: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log seconds by log x."""
    return round(float(np.polyfit(np.log(xs), np.log(seconds), 1)[0]), 3)


def _timed(point: Point, where: Scene, asked: argparse.Namespace) -> dict[str, Any]:
    grid = BoxGrid(point.shape, (point.box,) * 3, (point.stride,) * 3)
    places = [box for box in grid.boxes if bool(where.brain[box].any())]
    volume = where.volume[0]
    fill = replacement_values("zero", volume, where.brain, sigma=1.0, seed=0)
    evaluation = Evaluation.of(
        where.predictor,
        volume[None],
        places,
        fill,
        batch_size=asked.batch_size,
        memory=asked.memory * 2**30,
        precision="float32",
    )
    seconds = []
    for _ in range(asked.repeats):
        start = time.perf_counter()
        evaluation.effects(volume[None], places, fill)
        seconds.append(time.perf_counter() - start)
    return {
        "x": point.x,
        "shape": list(point.shape),
        "box": point.box,
        "stride": point.stride,
        "boxes_with_brain": len(places),
        "incremental": evaluation.engine is not None,
        "seconds": summary(seconds),
    }
