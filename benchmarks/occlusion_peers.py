"""Occlusion by Captum and by MONAI, as their documentation calls them, timed for a few batches.

The whole run of a peer takes hours at full size. So the network that it is given counts its calls, and breaks off after
some. Seconds are from one call to the next: the network's own, and all that the peer does for a batch. The first batch
is for warming up.

Batches begin where there is brain, for what lies in the background has no effect that could be compared: Captum's
windows come in another order than its own, and MONAI is given the middle of the brain as `b_box`. What a box costs them
does not depend on where it is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import Occlusion
from monai.visualize.occlusion_sensitivity import OcclusionSensitivity
from occlusion_case import LAYOUTS, Case, Scene
from torch import Tensor, nn

from interpbench_occlusion.boxes import BoxGrid, Edges

PEERS = ("captum", "monai")
Key = tuple[str, str]  # a peer and a layout


@dataclass(frozen=True)
class Timed:
    """What a peer's run has given until it was broken off."""

    seconds: list[float]  # a box, in each batch after the first
    effects: dict[int, float]  # of boxes, by their number in the grid
    clean: float  # the network's answer to the volume as it is


class Peers:
    """Both peers in both layouts: seconds by batch size, and effects."""

    def __init__(self, case: Case, scene: Scene, asked: argparse.Namespace) -> None:
        self.case, self.scene, self.batches = case, scene, asked.batches
        voxels = scene.volume.numel()
        self.sizes = [size for size in asked.batch_sizes if size * voxels <= asked.most_voxels] or [1]
        self.tried: dict[Key, dict[int, list[float]]] = {}
        self.effects: dict[Key, dict[int, float]] = {}
        self.clean: dict[str, float] = {}
        brain = scene.with_brain(case.grid)
        background = sorted(set(range(len(case.grid.boxes))) - set(brain))
        self.order = [*shuffled(brain, 0), *background]
        self.middle = tuple(scene.brain.nonzero().double().mean(0).round().int().tolist())

    def measure(self, layout: str, first: bool) -> None:
        """All batch sizes the first time; then the better peer again, at its best."""
        rows = [self.row(key) for key in self.tried if key[1] == layout]
        better = min(rows, key=lambda row: row["seconds"])["peer"] if rows else None
        for peer in PEERS:
            for size in self.sizes if first else [self.best((peer, layout))]:
                if first or peer == better:
                    self._measure(peer, layout, size)

    def _measure(self, peer: str, layout: str, size: int) -> None:
        network, volume, grid = self.scene.networks[layout], self.scene.volume, self.case.grid
        told = {"batch_size": size, "batches": self.batches}
        if peer == "captum":
            found = by_captum(network, LAYOUTS[layout], volume, grid, self.order, **told)
            self.clean[layout] = found.clean
        else:
            found = by_monai(network, LAYOUTS[layout], volume, grid, self.middle, self.clean[layout], **told)
        self.tried.setdefault((peer, layout), {}).setdefault(size, []).extend(found.seconds)
        self.effects.setdefault((peer, layout), {}).update(found.effects)
        print(f"{self.case.name}: {peer}, {layout}, batch {size}: {found.seconds} s a box", flush=True)

    def best(self, key: Key) -> int:
        """The batch size of the least median."""
        return min(self.tried[key], key=lambda size: statistics.median(self.tried[key][size]))

    def row(self, key: Key) -> dict[str, Any]:
        """What is told of a peer in a layout."""
        size = self.best(key)
        seconds = statistics.median(self.tried[key][size]) * len(self.case.grid.boxes)
        tried = {str(size): summary(values) for size, values in self.tried[key].items()}
        return {
            "peer": key[0],
            "layout": key[1],
            "batch_size": size,
            "seconds": round(seconds, 4),
            "seconds_a_box": tried[str(size)],
            "tried": tried,
        }

    def numbers_asked(self) -> Iterator[list[int]]:
        """The boxes that each peer is going to be asked about."""
        most = max(self.sizes) * (self.batches + 1)
        yield self.order[:most]
        for size in self.sizes:
            yield block(self.case.grid, self.middle, size * (self.batches + 1))[1][:most]


def by_captum(
    network: nn.Module,
    layout: torch.memory_format,
    volume: Tensor,
    grid: BoxGrid,
    order: Sequence[int],
    *,
    batch_size: int,
    batches: int,
) -> Timed:
    """Captum's `Occlusion` with 0 put in.

    Args:
        volume: `(1, I, J, K)`.
        order: of the grid's boxes, all of them.
        batch_size: `perturbations_per_eval`.
        batches: that are timed.
    """
    watched = _Watched(network, layout, calls=batches + 2)  # it first asks about the clean volume
    numbers = [_captums_number(index, grid) for index in order]
    window, step = (1, *grid.box), (1, *grid.stride)
    _until_enough(
        watched,
        lambda: _InOrder(lambda volumes: watched(volumes)[:, 0], numbers).attribute(
            volume[None].to(memory_format=layout),
            sliding_window_shapes=window,
            strides=step,
            perturbations_per_eval=batch_size,
        ),
    )
    clean = float(watched.outputs[0])
    return Timed(watched.seconds(2), watched.effects(1, order, clean), clean)


def by_monai(
    network: nn.Module,
    layout: torch.memory_format,
    volume: Tensor,
    grid: BoxGrid,
    middle: Edges,
    clean: float,
    *,
    batch_size: int,
    batches: int,
) -> Timed:
    """MONAI's `OcclusionSensitivity` with 0 put in, for boxes around a place.

    Args:
        middle: the place, in voxels.
        clean: the network's answer to the volume as it is, which MONAI does not ask for.
        batch_size: `n_batch`.

    Others as of `by_captum`.
    """
    box, starts = block(grid, middle, batch_size * (batches + 1))
    watched = _Watched(network, layout, calls=batches + 1)
    (overlap,) = {1 - step / edge for step, edge in zip(grid.stride, grid.box, strict=True)}
    occlude = OcclusionSensitivity(
        watched, mask_size=grid.box, n_batch=batch_size, verbose=False, mode=0.0, overlap=overlap, activate=False
    )
    _until_enough(watched, lambda: occlude(volume[None].to(memory_format=layout), b_box=box))
    return Timed(watched.seconds(1), watched.effects(0, starts, clean), clean)


def block(grid: BoxGrid, middle: Edges, number: int) -> tuple[list[int], list[int]]:
    """At least so many boxes side by side around a place, as far as the volume holds them.

    Returns:
        MONAI's `b_box` for them, and their numbers in the grid in the order in which MONAI takes them.
    """
    whole = [(edge - box) // step + 1 for edge, box, step in zip(grid.shape, grid.box, grid.stride, strict=True)]
    sizes = [1, 1, 1]
    while math.prod(sizes) < number and sizes != whole:
        axis = min((axis for axis in range(3) if sizes[axis] < whole[axis]), key=lambda axis: sizes[axis])
        sizes[axis] += 1
    places, b_box = [], []
    for axis, size in enumerate(sizes):
        box, step = grid.box[axis], grid.stride[axis]
        first = round((middle[axis] - (box + (size - 1) * step) / 2) / step)
        first = max(0, min(first, whole[axis] - size))
        places.append(range(first, first + size))
        half = (box - 1) // 2  # that MONAI adds to its `b_box`
        b_box += [first * step + half, (first + size - 1) * step + box - half]
    _, along_j, along_k = (len(spans) for spans in grid.spans)
    return b_box, [(i * along_j + j) * along_k + k for i, j, k in itertools.product(*places)]


class _Enough(Exception):
    """Breaks a peer's run off."""


class _Watched(nn.Module):
    """A network that keeps when it was called and what it answered, and after some calls breaks off."""

    def __init__(self, network: nn.Module, layout: torch.memory_format, calls: int) -> None:
        super().__init__()
        self.network, self.layout, self.calls = network, layout, calls
        self.called: list[float] = []
        self.outputs: list[Tensor] = []
        self.eval()

    def forward(self, volumes: Tensor) -> Tensor:
        self.called.append(time.perf_counter())
        if len(self.called) > self.calls:
            raise _Enough
        found: Tensor = self.network(volumes.to(memory_format=self.layout))
        self.outputs.append(found[:, 0].double())
        return found

    def seconds(self, first: int) -> list[float]:
        """A box, of each call from the `first` on; of the last one where there are no more."""
        pairs = zip(itertools.pairwise(self.called), self.outputs, strict=True)
        each = [(end - start) / len(output) for (start, end), output in pairs]
        return each[first:] or each[-1:]

    def effects(self, first: int, order: Sequence[int], clean: float) -> dict[int, float]:
        """By the boxes' numbers, which come in that order from the `first` call on."""
        answers = torch.cat(self.outputs[first:]).tolist()
        return {index: clean - answer for index, answer in zip(order, answers, strict=False)}


def _until_enough(watched: _Watched, run: Callable[[], Any]) -> None:
    try:
        run()
    except _Enough:
        return
    watched.called.append(time.perf_counter())  # it came to its end before


class _InOrder(Occlusion):  # type: ignore[misc]  # Captum's classes are Any
    """Captum's, its windows in another order."""

    def __init__(self, forward: Callable[[Tensor], Tensor], order: Sequence[int]) -> None:
        super().__init__(forward)
        self.order = order

    def _occlusion_mask(self, input: Tensor, ablated_feature_num: int, *rest: Any, **named: Any) -> Tensor:
        mask: Tensor = super()._occlusion_mask(input, self.order[ablated_feature_num], *rest, **named)
        return mask


def _captums_number(index: int, grid: BoxGrid) -> int:
    """Captum counts its windows with those along I fastest."""
    along_i, along_j, along_k = (len(spans) for spans in grid.spans)
    i, j, k = index // (along_j * along_k), index // along_k % along_j, index % along_k
    return i + along_i * (j + along_j * k)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and spread."""
    return {
        "median": round(statistics.median(values), 5),
        "least": round(min(values), 5),
        "most": round(max(values), 5),
        "n": len(values),
    }


def shuffled(numbers: Sequence[int], seed: int) -> list[int]:
    """In another order, always the same one."""
    return random.Random(seed).sample(list(numbers), len(numbers))
