"""Which answers of the incremental engine are compared with plain passes, and when they are believed.

The first volume is tried at several places, later ones at one. Places are chosen by how far a box reaches through the
network, axis by axis: at a border, or where few voxels are left, a layer's part has other edges than in the middle, and
the arithmetic of a part depends on its edges. Each choice shows as many edges as possible that were not tried before,
those of a single voxel first. The largest effect is tried as well, because it is what the user looks at.

What counts is an error as a share of the effects' range, not of the prediction: effects are small differences of large
predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from interpbench_occlusion.replacement import Place
from interpbench_occlusion.route import Box, Route
from interpbench_occlusion.windows import Span

TOLERANCE = {"float32": 3e-4, "bfloat16": 5e-2}  # of the effects' range, between the engine and a plain pass
ROUNDING = 16 * torch.finfo(torch.float32).eps  # of the prediction's size: what float32 itself may differ by
NOISE = 4.0  # times the error of plain passes in bfloat16, which the engine in bfloat16 may differ by from them
BEYOND = 10.0  # times the largest effect of a plain pass: an effect that is not believed without one
LEAST, MOST = 3, 12  # places that are tried of the first volume
SHARE = 0.05  # of the engine's own work, for further places than the least
CLEAN_EVERY = 4  # volumes: as often the volume as it is is tried as well
FURTHER = 4  # implausible effects of a volume that are tried, at most

# An axis, whether the volume's start and end are reached, and how many voxels along it are worked out of each value.
Kind = tuple[int, bool, bool, tuple[int, ...]]


@dataclass(eq=False, kw_only=True)
class Guard:
    """What was tried so far of one network.

    Args:
        precision: of the engine.
    """

    precision: str
    number: int = 1  # of places that are tried of the volume at hand
    volumes: int = 0  # whose answers were believed, from the first one on in which hiding something had an effect
    seen: set[Kind] = field(default_factory=set)
    lowest: float = 0.0  # effect of a plain pass; hiding nothing has the effect 0
    highest: float = 0.0
    noise: float = 0.0  # the largest error of a plain pass in the engine's precision

    def budget(self, passes: float, places: int) -> None:
        """How many places of the next volume are tried, beside what is implausible.

        Args:
            passes: how many plain passes so many places cost the engine, about.
        """
        wanted = max(LEAST, min(MOST, round(SHARE * passes)))
        spare = int(places - passes) - 2  # two more are asked in any case
        self.number = 1 if self.volumes else max(1, min(wanted, spare))

    def chosen(self, route: Route, boxes: Sequence[Box], effects: Tensor, known: Sequence[int] = ()) -> list[int]:
        """The places to try, by their number.

        Args:
            effects: `(N,)`, what the engine says of them.
            known: places that cost nothing more, for a plain pass was asked about them already.
        """
        largest = int(effects.abs().nan_to_num(0.0, 0.0).argmax())
        if self.volumes:
            return [largest] if self.volumes % 2 else self._unlike(route, boxes, [], 1)
        return self._unlike(route, boxes, list(dict.fromkeys([*known, largest])), self.number - 1)

    def implausible(self, effects: Tensor, tried: Sequence[int]) -> list[int]:
        """Effects that are not finite or far beyond those of full passes, the worst first."""
        size = effects.abs().nan_to_num(math.inf)
        size[list(tried)] = 0.0
        order = size.argsort(descending=True)[:FURTHER].tolist()
        return [index for index in order if float(size[index]) > BEYOND * max(self.highest, -self.lowest)]

    def learn(self, effects: Tensor, noise: float = 0.0) -> None:
        """Take in effects of plain passes, and by how much those in the engine's precision differ from them."""
        known = effects[effects.isfinite()].tolist()
        self.lowest, self.highest = min([self.lowest, *known]), max([self.highest, *known])
        self.noise = max(self.noise, noise if math.isfinite(noise) else 0.0)

    def believe(self) -> None:
        """Count a volume in which nothing was found wrong."""
        self.volumes += bool(self.volumes or self.highest > self.lowest)

    def difference(self, said: Tensor, expected: Tensor) -> str | None:
        """The first prediction of `(N,)` that is not what a plain pass says, in words; None where all are."""
        extent = self.highest - self.lowest
        for one, other in zip(said.tolist(), expected.tolist(), strict=True):
            allowed = TOLERANCE[self.precision] * extent + ROUNDING * max(abs(other), extent) + NOISE * self.noise
            same = one == other or (math.isnan(one) and math.isnan(other)) or abs(one - other) <= allowed
            if not same:
                return f"{one:.7g} for a hidden position instead of {other:.7g}; the range of effects is {extent:.2g}"
        return None

    def _unlike(self, route: Route, boxes: Sequence[Box], found: list[int], number: int) -> list[int]:
        """Some places and further ones that show most kinds of edges not seen yet; first those with single voxels."""
        known = {span: _kind(route, *span) for span in {(axis, span) for box in boxes for axis, span in enumerate(box)}}
        for index in found:
            self._see(boxes[index], known)
        for _ in range(min(number, len(boxes) - len(found))):
            fresh = {span: kind not in self.seen for span, kind in known.items()}
            worth = {span: (fresh[span], kind[-1].count(1), -sum(kind[-1])) for span, kind in known.items()}
            every = ([worth[axis, span] for axis, span in enumerate(box)] for box in boxes)
            sums = [tuple(map(sum, zip(*three, strict=True))) for three in every]
            best = max((index for index in range(len(boxes)) if index not in found), key=sums.__getitem__)
            found.append(best)
            if not any(fresh.values()):
                self.seen.clear()  # all was seen: begin again
            self._see(boxes[best], known)
        return found

    def _see(self, box: Box, kinds: Mapping[tuple[int, Span], Kind]) -> None:
        self.seen |= {kinds[axis, span] for axis, span in enumerate(box)}


def _kind(route: Route, axis: int, span: Span) -> Kind:
    """How a span of the volume goes through the head along one axis."""
    widths = tuple(stop - start for start, stop in route.along(axis, span).values())
    return axis, span[0] == 0, span[1] == route.program.edges[route.program.volume][axis], widths


NOTHING: Place = (slice(0, 0), slice(0, 0), slice(0, 0))  # hiding it leaves the volume as it is
