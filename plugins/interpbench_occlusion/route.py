"""How hidden boxes go through a network's steps: in part as long as that is cheaper, then as whole tensors, together.

What a step costs is estimated from its multiplications, the memory that it writes and what any call costs. The figures
are those of one core of a present CPU; they decide about the way only, never about the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from interpbench_occlusion.reach import inside, reach
from interpbench_occlusion.steps import Edges, Program, Step
from interpbench_occlusion.windows import Span

SECONDS_AN_OPERATION = 5e-12  # a multiplication or an addition
SECONDS_A_BYTE = 1e-10
SECONDS_A_CALL = 3e-5
WHOLE = 1.1  # times as long for the same work, in the layout of whole tensors
T = TypeVar("T")

SAMPLE = 64  # boxes by which the way is chosen

Box = tuple[Span, Span, Span]
Plans = tuple[Mapping[str, Span], Mapping[str, Span], Mapping[str, Span]]  # of `reach`, along I, J and K


@dataclass(frozen=True, eq=False)
class Route:
    """Which steps are done in part.

    Args:
        program: the network.
        neck: the number of steps that may be done in part; what comes after is done with whole tensors.
        dropped: volumes that are not kept of the clean pass, see `reach`.
    """

    program: Program
    neck: int
    dropped: frozenset[str] = frozenset()
    _axes: dict[tuple[int, Span], Mapping[str, Span]] = field(default_factory=dict)

    @classmethod
    def cheapest(cls, program: Program, boxes: Sequence[Box], batch_size: int) -> Route:
        """The way that costs least for these boxes, where `batch_size` of them are whole tensors at once."""
        local = next((index for index, step in enumerate(program.steps) if not step.local), len(program.steps))
        ways = [cls(program, neck) for neck in range(local + 1) if len(_alive(program, neck)) == 1]
        parts = ways[-1]._parts(boxes)
        wholes = [_whole(program, step, batch_size) for step in program.steps]
        return min(ways, key=lambda way: sum(parts[: way.neck]) + sum(wholes[way.neck :]))

    def cost(self, boxes: Sequence[Box], batch_size: int) -> float:
        """Seconds for a box, as estimated."""
        return sum(self._parts(boxes)) + sum(_whole(self.program, step, batch_size) for step in self.tail)

    def _parts(self, boxes: Sequence[Box]) -> list[float]:
        """Seconds for each step of the head, the mean over some boxes."""
        few = [self.plans(box) for box in _some(boxes)]
        means = [sum(self.numbers(step.result, plans) for plans in few) / len(few) for step in self.head]
        return [_cost(step, numbers, 1) for step, numbers in zip(self.head, means, strict=True)]

    def without(self, name: str) -> Route:
        """The same, where one more volume is not kept."""
        return Route(self.program, self.neck, self.dropped | {name})

    def plans(self, box: Box) -> Plans:
        """A box's reach along each axis."""
        first, second, third = (self.along(axis, span) for axis, span in enumerate(box))
        return first, second, third

    @cached_property
    def head(self) -> tuple[Step, ...]:
        """The steps that are done in part where they can."""
        return self.program.steps[: self.neck]

    @cached_property
    def tail(self) -> tuple[Step, ...]:
        """The steps that are done with whole tensors."""
        return self.program.steps[self.neck :]

    @cached_property
    def between(self) -> str:
        """The one value that goes from `head` to `tail`."""
        return _alive(self.program, self.neck)[0]

    def taken(self, boxes: Iterable[Box]) -> set[str]:
        """The values of the clean pass that are needed around what is worked out for some box."""
        found = {name for step in self.head if step.window for name in step.inputs}
        joining = [step for step in self.head if len(step.inputs) > 1]
        for plans in map(self.plans, boxes):
            for step in joining:
                here = box_of(step.result, plans)
                found |= {name for name in step.inputs if not holds(box_of(name, plans), here)}
        return (found | {self.between}) - self.dropped

    def droppable(self, taken: Iterable[str]) -> list[str]:
        """Those of the taken values that can be worked out for each box instead, the largest first."""
        able = [name for name in taken if name not in (self.between, self.program.volume)]
        return sorted(able, key=self.program.numbers, reverse=True)

    def along(self, axis: int, span: Span) -> Mapping[str, Span]:
        """How far a span of the volume reaches along one axis, in each of the head's values."""
        if (axis, span) not in self._axes:
            self._axes[axis, span] = reach(self.program, self.head, axis, span, self.dropped)
        return self._axes[axis, span]

    def numbers(self, name: str, plans: Plans) -> int:
        """How many numbers of a volume are worked out for a box."""
        return self.program.channels[name] * math.prod(edges_of(box_of(name, plans)))

    def operations(self, boxes: Sequence[Box]) -> float:
        """Multiplications and additions of the convolutions for a box, the mean over some, as a share of a pass."""
        few = _some([self.plans(box) for box in boxes])
        head = sum(step.operations * self.numbers(step.result, plans) for step in self.head for plans in few)
        tail, whole = (
            sum(step.operations * self.program.numbers(step.result) for step in steps if step.operations)
            for steps in (self.tail, self.program.steps)
        )
        return (head / max(1, len(few)) + tail) / max(1, whole)


def box_of(name: str, plans: Plans) -> Box:
    """The places of a volume that are worked out."""
    first, second, third = (plan[name] for plan in plans)
    return first, second, third


def edges_of(box: Box) -> Edges:
    """How many places it has along each axis."""
    first, second, third = (stop - start for start, stop in box)
    return first, second, third


def inside_box(box: Box, edges: Sequence[int]) -> Box:
    """Which of the places lie in the volume."""
    first, second, third = (inside(span, edge) for span, edge in zip(box, edges, strict=True))
    return first, second, third


def holds(outer: Box, inner: Box) -> bool:
    """Whether all places of one are among those of the other."""
    return all(one[0] <= other[0] and other[1] <= one[1] for one, other in zip(outer, inner, strict=True))


def whole_cost(program: Program, batch_size: int) -> float:
    """Seconds for a volume in a plain pass, as estimated."""
    return sum(_whole(program, step, batch_size) for step in program.steps)


def _whole(program: Program, step: Step, at_once: int) -> float:
    return WHOLE * _cost(step, program.numbers(step.result) if step.result in program.edges else 0, at_once)


def _cost(step: Step, numbers: float, at_once: int) -> float:
    """Seconds for so many numbers of a step's result, of one of so many volumes at once."""
    return numbers * (step.operations * SECONDS_AN_OPERATION + 4 * SECONDS_A_BYTE) + SECONDS_A_CALL / at_once


def _some(boxes: Sequence[T]) -> Sequence[T]:
    return boxes[:: max(1, len(boxes) // SAMPLE)]


def _alive(program: Program, neck: int) -> list[str]:
    """The values that the steps from there on read of what was before."""
    made = {step.result for step in program.steps[neck:]}
    read = dict.fromkeys(name for step in program.steps[neck:] for name in step.inputs)
    return [name for name in read if name not in made] or [program.output]
