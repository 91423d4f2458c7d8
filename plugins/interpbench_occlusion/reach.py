"""How far a hidden box reaches through a network, axis by axis.

A box changes a span of each volume along each axis. What follows from it is separable: a window's reach along I does
not depend on where the box stands along J and K.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from interpbench_occlusion.steps import Program, Step
from interpbench_occlusion.windows import Span


def reach(
    program: Program, steps: Sequence[Step], axis: int, span: Span, dropped: Collection[str] = ()
) -> Mapping[str, Span]:
    """Follow a span of the volume through the first steps.

    Args:
        steps: the first ones of the program, all local.
        dropped: volumes that are not kept of the clean pass; all that is needed of them is worked out for the box.

    Returns:
        For each volume the span along the axis that is worked out: what the box changes, or more.
    """
    edge = {name: edges[axis] for name, edges in program.edges.items()}
    found = {program.volume: span}
    for step in steps:
        reached = hull_of([found[name] for name in step.inputs])
        if step.window:
            reached = step.window.reached(axis, reached, edge[step.result])
        start = min(reached[0], edge[step.result] - 1)
        found[step.result] = start, max(reached[1], start + 1)  # a place that no window sees: one that is as it was
    for step in reversed(steps):
        here = found[step.result]
        there = step.window.needed(axis, here) if step.window else here
        for name in step.inputs:
            if name != program.volume and (name in dropped or step.passes_on):
                found[name] = inside(hull_of([found[name], there]), edge[name])
    return found


def hull_of(spans: Sequence[Span]) -> Span:
    """The smallest span around some."""
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def inside(span: Span, edge: int) -> Span:
    """What of a span lies in the volume."""
    return max(0, span[0]), min(edge, span[1])
