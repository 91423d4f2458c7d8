"""The effects of hidden places: incrementally where the network allows it and that is cheaper, else by plain passes.

The answer is the same up to rounding. Of every network one hidden place is also asked by a plain pass, and the first
volume's answers are compared with it: if the two disagree, plain passes it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from interpbench import PRECISIONS, Predictor, add_forward, arithmetic, forward_only, track
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.fusing import fused
from interpbench_occlusion.reading import Untraceable, in_precision, program_of
from interpbench_occlusion.replacement import Fill, Place, hull, with_place_hidden

log = logging.getLogger("interpbench")

WORTH_TRACING = 2e12  # multiplications and additions of all plain passes, some 10 s on a core; tracing takes 3 to 7 s
WORTH_FREEZING = 40  # passes; a frozen 3D ResNet-18 had won back the time of its freezing after about 25
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}  # of the prediction's size, between the engine and a plain pass
COMPARED = 4  # places that bfloat16 is compared with float32 on


@dataclass(eq=False, kw_only=True)
class Evaluation:
    """How hidden places are evaluated for one predictor, and volumes of one shape on one device.

    Args:
        engine: None for plain passes.
        batch_size: passes at once.
        precision: of the convolutions.
        expected: the hidden place by which the engine's first answers are tried, and the prediction of a plain pass;
            None once they were.
    """

    predictor: Predictor
    known_by: tuple[Any, ...]
    engine: Engine | None
    batch_size: int
    precision: str
    expected: tuple[Place, float] | None = None

    @classmethod
    def of(
        cls, predictor: Predictor, volume: Tensor, places: Sequence[Place], fill: Fill, *, batch_size: int,
        memory: float, precision: str,
    ) -> Evaluation:  # fmt: skip
        """Find out how the predictor is best evaluated.

        Args:
            volume: `(1, I, J, K)`, the first one to come.
            places, fill: what will be asked of it first.
            memory: for the engine, in bytes.
        """
        plain = cls(predictor=predictor, known_by=identity(predictor, volume), engine=None, batch_size=batch_size,
                    precision=precision)  # fmt: skip
        middle = places[len(places) // 2]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            expected = float(predictor.predict(with_place_hidden(volume[0], middle, fill)[None, None])[0])
        if counter.get_total_flops() * len(places) < WORTH_TRACING:
            return plain
        try:
            program = in_precision(fused(program_of(predictor, volume[None])), PRECISIONS[precision])
        except Untraceable as error:
            log.warning("occlusion takes plain passes, which take longer: the network cannot be traced (%s)", error)
            return plain
        engine = Engine(program=program, batch_size=batch_size, memory=memory)
        if engine.route(places) is None:
            return plain
        return replace(plain, engine=engine, expected=(middle, expected))

    def fits(self, predictor: Predictor, volume: Tensor) -> bool:
        """Whether it is for this predictor, with the weights that it has now, and for such volumes."""
        return self.predictor is predictor and self.known_by == identity(predictor, volume)

    def effects(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor:
        """f(x) - f(x with a place filled otherwise), for each place.

        Args:
            volume: x, `(1, I, J, K)`.
            places: hidden one at a time.

        Returns:
            `(N,)` float64 on the CPU, in the unit of f.
        """
        found = self._in_parts(volume, places, fill)
        return self._plain_effects(volume, places, fill, self.precision) if found is None else found

    def _in_parts(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor | None:
        """The effects by the engine; None where there is none, where it costs more, or where it has to be given up."""
        engine = self.engine
        route = None if engine is None else engine.route(places)
        if engine is None or route is None:
            return None
        try:
            clean, hidden = engine.predictions(route, volume, places, fill)
        except RuntimeError as error:  # such as of an operation that bfloat16 lacks
            if self.expected is None:
                raise
            self._give_up(f"the network cannot be worked out in parts ({str(error).splitlines()[0]})")
            return None
        add_forward(self.predictor.module, 1 + round(route.operations([hull(place) for place in places]) * len(places)))
        tried = [index for index, place in enumerate(places) if self.expected and place is self.expected[0]]
        if self.expected and tried:
            (index, *_), expected = tried, self.expected[1]
            if not abs(float(hidden[index]) - expected) <= TOLERANCE[self.precision] * max(1.0, abs(expected)):
                said = float(hidden[index])
                self._give_up(f"in parts the network says {said:g} of a hidden place where it says {expected:g}")
                return None
            self.expected = None
        return clean - hidden

    def _give_up(self, why: str) -> None:
        log.warning("occlusion takes plain passes, which take longer: %s", why)
        self.engine = self.expected = None

    def error(self, volume: Tensor, places: Sequence[Place], fill: Fill, effects: Tensor) -> float:
        """The largest difference between effects and those of float32, on a few places from the largest effect down."""
        order = effects.abs().argsort(descending=True)
        few = order[:: max(1, len(order) // COMPARED)][:COMPARED]
        exact = self._plain_effects(volume, [places[int(index)] for index in few], fill, "float32")
        return float((exact - effects[few]).abs().max())

    @torch.no_grad()
    def _plain_effects(self, volume: Tensor, places: Sequence[Place], fill: Fill, precision: str) -> Tensor:
        predict: Callable[[Tensor], Tensor] = self.predictor.predict
        if len(places) >= WORTH_FREEZING and precision == "float32":
            predict = forward_only(self.predictor, volume[None])
        hidden = torch.empty(len(places), dtype=torch.float64)
        steps = track(range(0, len(places), self.batch_size), "hiding", unit="batch")
        steps.leave = False  # one bar after the other, for many subjects
        with arithmetic(volume.device, precision):
            clean = predict(volume[None]).double().cpu()
            for start in steps:
                some = places[start : start + self.batch_size]
                copies = torch.stack([with_place_hidden(volume[0], place, fill) for place in some])
                hidden[start : start + len(some)] = predict(copies[:, None]).double().cpu()
        return clean - hidden


def identity(predictor: Predictor, volume: Tensor) -> tuple[Any, ...]:
    """What an evaluation depends on: the values of the network's weights, and what its volumes are like."""
    tensors = [*predictor.module.parameters(), *predictor.module.buffers()]
    with torch.no_grad():
        sums = tuple(_weighted_sum(one.double().flatten()) for one in tensors)
    return tuple(volume.shape), str(volume.device), sums


def _weighted_sum(values: Tensor) -> float:
    """A sum that also changes where values change places."""
    return float(values @ torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device))
