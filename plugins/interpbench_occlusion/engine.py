"""The incremental engine over all hidden places of a volume: what is kept, what goes together, within a memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interpbench import track
from interpbench_occlusion.incremental import Incremental
from interpbench_occlusion.replacement import Fill, Place, hidden_box, hull
from interpbench_occlusion.route import Box, Route, whole_cost
from interpbench_occlusion.steps import Program
from interpbench_occlusion.workers import ParallelMap, in_threads

log = logging.getLogger("interpbench")

LIVE = 3  # tensors of a step's size that are there at once, about
KEPT = 0.75  # of the memory, for the clean volume's activations
BYTES = 4  # a number


@dataclass(frozen=True, eq=False, kw_only=True)
class Engine:
    """A network as a program.

    Args:
        batch_size: boxes that are worked out at once, at most.
        memory: bytes that kept activations and what is worked out may take, about. With less memory fewer boxes go
            together, and the largest activations are worked out again for each box instead of being kept.
    """

    program: Program
    batch_size: int
    memory: float

    def route(self, places: Sequence[Place]) -> Route | None:
        """The way of these places through the network; None where plain passes cost less."""
        boxes = [hull(place) for place in places]
        route = Route.cheapest(self.program, boxes, self.batch_size)
        whole = whole_cost(self.program, self.batch_size)
        return route if route.cost(boxes, self.batch_size) < whole else None

    def predictions(self, route: Route, volume: Tensor, places: Sequence[Place], fill: Fill) -> tuple[float, Tensor]:
        """The prediction of the clean volume, and of it with each of the places filled otherwise.

        Args:
            volume: `(1, I, J, K)`.

        Returns:
            The first as a number, the others `(N,)` float64 on the CPU.
        """
        boxes = [hull(place) for place in places]
        route = self._fitting(route, boxes)
        with torch.inference_mode():
            clean = Incremental(route, volume, boxes)
        found = torch.empty(len(places), dtype=torch.float64)

        def hide(some: range) -> range:
            between = [clean.between(boxes[index], hidden_box(volume[0], places[index], fill)) for index in some]
            found[some.start : some.stop] = clean.predictions(torch.cat(between)).cpu()
            return some

        with in_threads(volume.device) as (workers, each):
            size = min(self._at_once(route, workers, clean, each), max(1, len(places) // workers))
            parts = [range(start, min(start + size, len(places))) for start in range(0, len(places), size)]
            with track((), "hiding", total=len(places), unit="place") as bar:
                bar.leave = False  # one bar after the other, for many subjects
                for done in each(hide, parts):
                    bar.update(len(done))
            (prediction,) = each(lambda between: float(clean.predictions(between)), [clean.clean[route.between]])
        return prediction, found

    def _fitting(self, route: Route, boxes: Sequence[Box]) -> Route:
        """The route with so much kept of the clean pass as the memory holds."""
        while True:
            taken = route.taken(boxes)
            size = sum(BYTES * self.program.numbers(name) for name in taken)
            able = route.droppable(taken)
            if size <= KEPT * self.memory:
                return route
            if not able:
                log.warning(
                    "occlusion stores %.2g GiB of activations, more than the option memory allows", size / 2**30
                )
                return route
            route = route.without(able[0])

    def _at_once(self, route: Route, workers: int, clean: Incremental, each: ParallelMap) -> int:
        """How many boxes go through the tail at once: as many as the memory holds, if that changes no bit."""
        sizes = [self.program.numbers(step.result) for step in route.tail if step.result in self.program.edges]
        numbers = max([*sizes, self.program.numbers(route.between)])
        allowed = int((1 - KEPT) * self.memory / (LIVE * BYTES * numbers * workers))
        size = max(1, min(self.batch_size, allowed))
        whole = clean.clean[route.between]
        with torch.inference_mode():
            several = whole.expand(size, -1, -1, -1, -1).contiguous()
        one, together = each(clean.predictions, [whole, several])
        return size if bool((together == one).all()) else 1
