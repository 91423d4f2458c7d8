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

    @torch.inference_mode()
    def predictions(self, route: Route, volume: Tensor, places: Sequence[Place], fill: Fill) -> tuple[float, Tensor]:
        """The prediction of the clean volume, and of it with each of the places filled otherwise.

        Args:
            volume: `(1, I, J, K)`.

        Returns:
            The first as a number, the others `(N,)` float64 on the CPU.
        """
        boxes = [hull(place) for place in places]
        route = self._fitting(route, boxes)
        clean = Incremental(route, volume, boxes)
        found = torch.empty(len(places), dtype=torch.float64)
        waiting: list[tuple[int, Tensor]] = []
        at_once = self._at_once(route, clean)
        with track(range(len(places)), "hiding", unit="place") as bar:
            bar.leave = False  # one bar after the other, for many subjects
            for index, (box, place) in enumerate(zip(boxes, places, strict=True)):
                waiting.append((index, clean.between(box, hidden_box(volume[0], place, fill))))
                if len(waiting) == at_once or index == len(places) - 1:
                    values = clean.predictions(torch.cat([between for _, between in waiting]))
                    found[[index for index, _ in waiting]] = values.cpu()
                    bar.update(len(waiting))
                    waiting = []
        return clean.prediction, found

    def _fitting(self, route: Route, boxes: Sequence[Box]) -> Route:
        """The route with so much kept of the clean pass as the memory holds."""
        while True:
            taken = route.taken(boxes)
            size = sum(BYTES * self.program.numbers(name) for name in taken)
            able = route.droppable(taken)
            if size <= KEPT * self.memory:
                return route
            if not able:
                log.warning("occlusion keeps %.2g GiB of activations, more than memory allows", size / 2**30)
                return route
            route = route.without(able[0])

    def _at_once(self, route: Route, clean: Incremental) -> int:
        """How many boxes go through the tail at once: as many as the memory holds, if that changes no bit."""
        sizes = [self.program.numbers(step.result) for step in route.tail if step.result in self.program.edges]
        numbers = max([*sizes, self.program.numbers(route.between)])
        allowed = int((1 - KEPT) * self.memory / (LIVE * BYTES * numbers))
        size = max(1, min(self.batch_size, allowed))
        whole = clean.clean[route.between]
        together = clean.predictions(whole.expand(size, -1, -1, -1, -1))
        return size if bool((together == clean.prediction).all()) else 1
