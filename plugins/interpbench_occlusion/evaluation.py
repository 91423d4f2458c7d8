"""The effects of hidden places: incrementally where the network allows it and that is cheaper, else by plain passes.

The answer is the same up to rounding. Of every volume some hidden places are also asked by plain passes (`guard.py`):
if the two disagree, plain passes it is, for this volume and all that follow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from interpbench import Predictor, track
from interpbench.kit import (
    PRECISIONS,
    UnreadableNetwork,
    add_forward,
    arithmetic,
    forward_only,
    read_network,
    state_of,
)
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.guard import CLEAN_EVERY, NOTHING, Guard
from interpbench_occlusion.reading import in_precision, program_of
from interpbench_occlusion.replacement import Fill, Place, hull, with_place_hidden
from interpbench_occlusion.route import Route

log = logging.getLogger("interpbench")

WORTH_TRACING = 2e12  # multiplications and additions of all plain passes, some 10 s on a core; tracing takes 3 to 7 s
WORTH_FREEZING = 40  # passes; a frozen 3D ResNet-18 had won back the time of its freezing after about 25
COMPARED = 4  # places that bfloat16 is compared with float32 on
DOUBTFUL = 0.05  # of the effects' range: an error of bfloat16 that is warned of


@dataclass(eq=False, kw_only=True)
class Evaluation:
    """How hidden places are evaluated for one predictor, and volumes of one shape on one device.

    Args:
        known_by: `interpbench.state_of`.
        work: multiplications and additions of a plain pass.
        guard: what the engine's answers were compared with so far.
        batch_size: passes at once.
        memory: for the engine, in bytes.
        precision: of the convolutions.
        engine: None for plain passes.
        read: whether it was tried to read the network.
        asked: a hidden place and its prediction by a plain pass in float32, which need not be asked again.
        notes: what is to be said of the last volume's effects: sentences.
        share: of the effects' range, the error of the last volume's effects that `precision` costs; None of float32.
    """

    predictor: Predictor
    known_by: tuple[Any, ...]
    work: float
    guard: Guard
    batch_size: int
    memory: float
    precision: str
    engine: Engine | None = None
    read: bool = False
    asked: tuple[Place, float] | None = None
    notes: list[str] = field(default_factory=list)
    share: float | None = None

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        volume: Tensor,
        places: Sequence[Place],
        fill: Fill,
        *,
        batch_size: int,
        memory: float,
        precision: str,
    ) -> Evaluation:
        """Find out how the predictor is best evaluated.

        Args:
            volume: `(1, I, J, K)`, the first one to come.
            places, fill: what will be asked of it first.
            memory: for the engine, in bytes.
        """
        middle = places[len(places) // 2]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            expected = float(predictor.predict(with_place_hidden(volume[0], middle, fill)[None, None])[0])
        found = cls(
            predictor=predictor,
            known_by=state_of(predictor.module, volume[None]),
            work=counter.get_total_flops(),
            memory=memory,
            batch_size=batch_size,
            precision=precision,
            guard=Guard(precision=precision),
            asked=(middle, expected),
        )
        found._read(volume, places)
        return found

    def _read(self, volume: Tensor, places: Sequence[Place]) -> None:
        """Read the network once it is worth it: this depends on the volume at hand alone, not on those before."""
        if self.read or self.work * len(places) < WORTH_TRACING:
            return
        self.read = True
        try:
            graph = read_network(self.predictor, volume[None])
            program = in_precision(program_of(graph.fused), PRECISIONS[self.precision])
        except UnreadableNetwork as error:
            log.warning("occlusion uses full passes, which are slower: the network cannot be traced (%s)", error)
            return
        self.engine = Engine(program=program, batch_size=self.batch_size, memory=self.memory)

    def fits(self, predictor: Predictor, volume: Tensor) -> bool:
        """Whether it is for this predictor, with the weights that it has now, and for such volumes."""
        return self.predictor is predictor and self.known_by == state_of(predictor.module, volume[None])

    def effects(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor:
        """f(x) - f(x with a place filled otherwise), for each place.

        Args:
            volume: x, `(1, I, J, K)`.
            places: hidden one at a time.

        Returns:
            `(N,)` float64 on the CPU, in the unit of f.
        """
        self.notes, self.share = [], None
        found = self._in_parts(volume, places, fill)
        if found is None:
            found = self._plain_effects(volume, places, fill)
        self.asked = None  # it is of this volume
        if self.precision != "float32":
            self._compare(volume, places, fill, found)
        return found

    def _in_parts(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor | None:
        """The effects by the engine; None where there is none, where it costs more, or where it has to be given up."""
        self._read(volume, places)
        engine = self.engine if self.work * len(places) >= WORTH_TRACING else None
        route = None if engine is None else engine.route(places)
        if engine is None or route is None:
            return None
        try:
            clean, hidden = engine.predictions(route, volume, places, fill)
        except RuntimeError as error:  # such as of an operation that bfloat16 lacks
            if self.guard.volumes:
                raise
            self._give_up(f"the network cannot be evaluated in parts ({str(error).splitlines()[0]})")
            return None
        passes = route.operations([hull(place) for place in places]) * len(places)
        add_forward(self.predictor.module, 1 + round(passes))
        self.guard.budget(passes, len(places))
        wrong = self._difference(route, volume, places, fill, clean, hidden)
        if wrong is not None:
            self._give_up(f"in parts the network predicts {wrong}")
            return None
        self.guard.believe()
        return clean - hidden

    def _difference(
        self, route: Route, volume: Tensor, places: Sequence[Place], fill: Fill, clean: float, hidden: Tensor
    ) -> str | None:
        """Where the engine says something else than plain passes, in words."""
        guard, boxes = self.guard, [hull(place) for place in places]
        known = [index for index, place in enumerate(places) if self.asked and place is self.asked[0]]
        tried = guard.chosen(route, boxes, clean - hidden, known)
        everything = [*places, NOTHING]  # the last one is the volume as it is
        said = torch.cat([hidden, torch.tensor([clean], dtype=hidden.dtype)])
        first = [*tried, len(places)] if guard.volumes % CLEAN_EVERY == 0 else tried
        wrong = self._wrong(volume, everything, fill, said, first)
        more = [] if wrong else guard.implausible(clean - hidden, tried)
        return self._wrong(volume, everything, fill, said, [*more, len(places)]) if more else wrong

    def _wrong(
        self, volume: Tensor, places: Sequence[Place], fill: Fill, said: Tensor, tried: Sequence[int]
    ) -> str | None:
        """Compare predictions at some places with those of plain passes; the first difference in words."""
        asked = [places[index] for index in tried]
        exact = expected = self._exact(volume, asked, fill)
        if self.precision != "float32":
            expected = self._predictions(volume, asked, fill, self.precision)
        if asked[-1] is NOTHING:
            self.guard.learn(exact[-1] - exact, float((expected - exact).abs().max()))
        return self.guard.difference(said[list(tried)], expected)

    def _exact(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor:
        """Predictions `(N,)` by plain passes in float32; what `of` asked already is taken from there, once."""
        known, self.asked = self.asked, None
        left = [place for place in places if known is None or place is not known[0]]
        found = iter(self._predictions(volume, left, fill, "float32").tolist())
        values = [known[1] if known is not None and place is known[0] else next(found) for place in places]
        return torch.tensor(values, dtype=torch.float64)

    def _give_up(self, why: str) -> None:
        before = self.guard.volumes
        made = f"; {before} earlier maps were made in parts: make them again" if before else ""
        log.warning("occlusion uses full passes, which are slower: %s%s", why, made)
        self.notes.append(f"occlusion used full passes: {why}")
        self.engine = None

    def _compare(self, volume: Tensor, places: Sequence[Place], fill: Fill, effects: Tensor) -> None:
        """Say how far effects are from those of float32, on a few places from the largest effect down."""
        order = effects.abs().argsort(descending=True)
        few = order[:: max(1, len(order) // COMPARED)][:COMPARED]
        asked = [*(places[int(index)] for index in few), NOTHING]
        exact = self._predictions(volume, asked, fill, "float32")
        truth = exact[-1] - exact
        error, extent = float((truth[:-1] - effects[few]).abs().max()), float(truth.max() - truth.min())
        self.share = error / extent if extent else float(error > 0)
        doubtful = not self.share <= DOUBTFUL
        said = (
            f"{self.precision}: effects differ from those of float32 by up to {error:.2g} {self.predictor.unit},"
            f" {self.share:.1%} of their range, at {len(few)} positions"
        )
        if doubtful:
            said += "; precision=float32 has no such error"
            self.notes.append(said)
        log.log(logging.WARNING if doubtful else logging.INFO, "%s", said)

    def _plain_effects(self, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor:
        predict: Callable[[Tensor], Tensor] = self.predictor.predict
        if len(places) >= WORTH_FREEZING and self.precision == "float32":
            predict = forward_only(self.predictor, volume[None])
        found = self._predictions(volume, [*places, NOTHING], fill, self.precision, predict, self.batch_size)
        return found[-1] - found[:-1]

    @torch.no_grad()
    def _predictions(
        self,
        volume: Tensor,
        places: Sequence[Place],
        fill: Fill,
        precision: str,
        predict: Callable[[Tensor], Tensor] | None = None,
        at_once: int = 1,
    ) -> Tensor:
        """By plain passes, with each of the places filled otherwise: `(N,)` float64 on the CPU.

        Args:
            predict: another than the predictor's own.
            at_once: passes; where the engine saves memory, several may need more than there is.
        """
        found = torch.empty(len(places), dtype=torch.float64)
        steps = track(range(0, len(places), at_once), "hiding", unit="batch")
        steps.leave = False  # one bar after the other, for many subjects
        with arithmetic(volume.device, precision):
            for start in steps:
                some = places[start : start + at_once]
                copies = torch.stack([with_place_hidden(volume[0], place, fill) for place in some])
                made = (predict or self.predictor.predict)(copies[:, None])
                found[start : start + len(some)] = made.double().cpu()
        return found
