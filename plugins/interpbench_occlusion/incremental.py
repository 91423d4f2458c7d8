"""Exact incremental occlusion: of a network's activations only what a hidden box reaches is worked out again.

The clean volume's activations are kept. A hidden box changes a small part of the early ones, and the early layers are
where the work is. For each box, each layer is worked out over what the box reaches there; what is needed around that is
taken from the clean pass. In the last layers, where a box reaches nearly everywhere, some boxes go on together as whole
tensors. The idea is that of Nakandala, Kumar, Papakonstantinou, *Incremental and Approximate Inference for Faster
Occlusion-based Deep CNN Explanations* (SIGMOD 2019).

Nothing is left out: the answer is the network's up to rounding, for sums are added in another order in a part than in
the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interpbench.kit import layout_of_parts
from interpbench_occlusion.route import Box, Plans, Route, box_of, edges_of, holds, inside_box
from interpbench_occlusion.steps import Edges, Step


@dataclass(frozen=True, eq=False)
class Part:
    """What was worked out of a volume: `(1, C, i, j, k)`, and which places of it that are."""

    values: Tensor
    places: Box


class Incremental:
    """A network and one volume, of which boxes are hidden."""

    def __init__(self, route: Route, volume: Tensor, boxes: Sequence[Box]) -> None:
        """Make the clean pass, as far as the head.

        Args:
            volume: `(1, I, J, K)`.
            boxes: those that will be hidden.
        """
        self.route, self.layout = route, layout_of_parts(volume.device)
        kept = {*route.taken(boxes), route.program.volume}
        values = {route.program.volume: Part(volume[None], _whole(route.program.edges[route.program.volume]))}
        self.clean = {route.program.volume: volume[None]}
        everywhere = {name: _whole(edges) for name, edges in route.program.edges.items()}
        first, second, third = ({name: box[axis] for name, box in everywhere.items()} for axis in range(3))
        for name in self._head((first, second, third), values):
            if name in kept:
                self.clean[name] = values[name].values

    def between(self, box: Box, hidden: Tensor) -> Tensor:
        """The route's value between head and tail, `(1, ...)`, with a box hidden.

        Args:
            hidden: what it is filled with, `(i, j, k)`.
        """
        name, volume = self.route.between, self.route.program.volume
        if torch.equal(hidden, self.clean[volume][_within(box, None)][0, 0]):
            return self.clean[name]
        values = {volume: Part(hidden[None, None], box)}
        for _ in self._head(self.route.plans(box), values):
            pass
        whole = _whole(self.route.program.edges[name])
        return self._filled(name, values[name], whole, whole, 0.0)

    def _head(self, plans: Plans, values: dict[str, Part]) -> Iterator[str]:
        """Work out what is planned of the head's steps; after each one its result's name."""
        for step in _letting_go(self.route.head, values, self.route.between):
            values[step.result] = self._part(step, plans, values)
            yield step.result

    def predictions(self, between: Tensor) -> Tensor:
        """The predictions `(B,)` float64 from the value between head and tail."""
        values: dict[str, Any] = {self.route.between: between.contiguous()}
        for step in _letting_go(self.route.tail, values, self.route.program.output):
            values[step.result] = _called(step, values)
        return torch.as_tensor(values[self.route.program.output].double())

    def _part(self, step: Step, plans: Plans, values: Mapping[str, Part]) -> Part:
        places = box_of(step.result, plans)
        assert step.part is not None
        if step.window is None:
            return Part(
                step.part(*(self._filled(name, values[name], places, places, 0.0) for name in step.inputs)), places
            )
        (name,) = step.inputs
        first, second, third = (step.window.needed(axis, span) for axis, span in enumerate(places))
        needed, edges = (first, second, third), self.route.program.edges[name]
        around = inside_box(needed, edges)
        # Along an axis of which all is needed the step itself pads, and so saves the work for what it puts there.
        left = [
            padding if span == (0, step.window.outputs(axis, edges[axis])) else 0
            for axis, (padding, span) in enumerate(zip(step.window.padding, places, strict=True))
        ]
        first, second, third = (
            inner if padding else span for padding, span, inner in zip(left, needed, around, strict=True)
        )
        filled = self._filled(name, values[name], (first, second, third), around, step.window.outside)
        return Part(step.part(filled, (left[0], left[1], left[2])), places)

    def _filled(self, name: str, part: Part, needed: Box, around: Box, outside: float) -> Tensor:
        """Places of a volume: those that were worked out, around them the clean volume, and beyond that padding.

        Args:
            around: what of the needed places lies in the volume.
        """
        if part.places == needed:
            return part.values
        covered = holds(part.places, around)
        if covered and around == needed:
            return part.values[_within(needed, part.places)]
        filled = self._empty(part.values, needed, outside if around != needed else None)
        if not covered:
            filled[_within(around, needed)] = self.clean[name][_within(around, None)]
        shared = tuple(
            (max(one[0], other[0]), min(one[1], other[1])) for one, other in zip(part.places, around, strict=True)
        )
        filled[_within(shared, needed)] = part.values[_within(shared, part.places)]
        return filled

    def _empty(self, like: Tensor, places: Box, value: float | None) -> Tensor:
        """Room for places of a volume, `(1, C, i, j, k)`, all of one value where it is given."""
        size = *like.shape[:2], *edges_of(places)
        made = torch.empty(size, dtype=like.dtype, device=like.device, memory_format=self.layout)
        return made if value is None else made.fill_(value)


def _called(step: Step, values: Mapping[str, Any]) -> Any:
    """The step's result; what is not local is worked out in float32."""
    inputs = [values[name] for name in step.inputs]
    if not step.local:
        inputs = [one.float() if isinstance(one, Tensor) and one.dtype == torch.bfloat16 else one for one in inputs]
    return step.call(*inputs)


def _letting_go(steps: Sequence[Step], values: dict[str, Any], result: str) -> Iterator[Step]:
    """The steps in order; after each, values that no later one reads are let go, but for the result."""
    last = {name: index for index, step in enumerate(steps) for name in step.inputs}
    for index, step in enumerate(steps):
        yield step
        for name in (*step.inputs, step.result):
            if last.get(name, index) <= index and name != result:
                values.pop(name, None)


def _whole(edges: Edges) -> Box:
    first, second, third = ((0, edge) for edge in edges)
    return first, second, third


def _within(places: Sequence[tuple[int, int]], of: Sequence[tuple[int, int]] | None) -> tuple[slice, ...]:
    """Places of the volume as an index into a part `(B, C, i, j, k)` that holds the places `of`; None for all."""
    starts = (0, 0, 0) if of is None else (start for start, _ in of)
    inner = (slice(start - first, stop - first) for (start, stop), first in zip(places, starts, strict=True))
    return (slice(None), slice(None), *inner)
