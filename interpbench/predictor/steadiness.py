"""Whether a network's answers depend on chance, or on what else is in the batch.

A map compares answers: of two passes, or of many volumes that went through at once. So the same volume must get the
same answer twice, and alone as beside strangers, in any place of the batch.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from interpbench.contract.interfaces import Predictor
from interpbench.host.foreign import asking, no_memory
from interpbench.host.registry import one_line
from interpbench.host.untouched import random_state, untouched

log = logging.getLogger("interpbench")

SAME = 1e-5  # answers that differ by less, as a part of their size or spread, are one answer in float32
LARGE = 2**20  # voxels from which on a volume is tried in fewer passes
ROUNDING = 1e-6  # by how much a volume is changed to see what rounding does to the answer, as a part of each voxel


@dataclass(frozen=True)
class Finding:
    """What a network was found to do that it must not."""

    kind: str  # chance, batch, gradient, constant or stuck
    sentence: str  # without a full stop
    certain: bool = True  # False for what may be another with real images
    explains: bool = False  # whether it is also why there is no gradient
    remedy: str = ""  # what would be right, without a full stop; empty for what is usual for the kind


@dataclass(frozen=True)
class NetworkTrial:
    """What was found, and the figures that a model's record keeps."""

    findings: tuple[Finding, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def try_answers(predictor: Predictor, volumes: Tensor, *, thorough: bool = False) -> NetworkTrial:
    """Try whether answers depend on chance or on the batch; a pass for the first volume twice and one for two at once.

    Args:
        volumes: `(B, 1, I, J, K)`, one at least.
        thorough: ask for each volume, more often, and in batches of two and three; figures are given, and a network
            that cannot take two volumes at once is found.
    """
    with untouched(predictor.module, volumes), torch.no_grad():
        torch.manual_seed(0)
        ask, state = _Asking(predictor), random_state()
        log.info("testing the network: predicting the same volume several times")
        answers = [ask.alone(volume) for volume in volumes[: None if thorough else 1]]
        scale = _scale(answers)
        small = volumes[0].numel() < LARGE
        again = [ask.alone(volumes[0]) for _ in range(3 if thorough and small else 1)]
        apart = max(abs(one - answers[0]) for one in again)
        figures: dict[str, Any] = {"answers": answers, "repeat_difference": apart}
        if apart > SAME * scale:
            other = max(again, key=lambda one: abs(one - answers[0]))
            why = f"its prediction for the same volume changes from pass to pass, {_pair(answers[0], other, predictor)}"
            return NetworkTrial((Finding("chance", why + ask.suspects(_drops)),), figures)
        if not math.isfinite(answers[0]):
            return NetworkTrial((), figures)  # whoever predicts with it tells
        drew = thorough and random_state() != state
        log.info("testing the network: predicting volumes alone and in batches")
        found = _try_batches(ask, volumes, answers, scale, figures, thorough=thorough)
        if drew and not found.findings:
            why = "it draws random numbers when it predicts, although its predictions were equal so far: a random layer"
            return NetworkTrial((Finding("chance", f"{why} may be on", certain=False),), found.figures)
        return found


class _Asking:
    """Asks a predictor for answers, and keeps what its parts are like while it answers."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def alone(self, volume: Tensor) -> float:
        with asking("the predictor", volume[None]):
            return float(self.predictor.predict(volume[None]).double().reshape(()))

    def together(self, volumes: Sequence[Tensor]) -> list[float]:
        stacked = torch.stack(list(volumes))
        with asking("the predictor", stacked):
            found = self.predictor.predict(stacked).double()
        if found.shape != (len(volumes),):
            raise ValueError(f"returns {tuple(found.shape)} numbers for {len(volumes)} volumes")
        return [float(one) for one in found]

    def suspects(self, suspect: Callable[[nn.Module], bool]) -> str:
        """The parts that may be why, in brackets; they are looked for after a pass, which may have set their mode."""
        names = [name or type(part).__name__ for name, part in self.predictor.module.named_modules() if suspect(part)]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f" (because of {', '.join(names[:3])}{more})" if names else ""


def _drops(part: nn.Module) -> bool:
    return isinstance(part, _DropoutNd) and part.training


def _counts_the_batch(part: nn.Module) -> bool:
    return isinstance(part, _BatchNorm) and (part.training or part.running_mean is None)


def _try_batches(
    ask: _Asking, volumes: Tensor, answers: list[float], scale: float, figures: dict[str, Any], *, thorough: bool
) -> NetworkTrial:
    first, second = volumes[0], volumes[1 % len(volumes)]
    stranger = 3 * second.flip(-1) + second.std()  # of other statistics than a brain that a recipe has normalised
    batches: list[tuple[Tensor, ...]] = [(stranger, first)]
    if thorough and len(volumes) > 1:
        batches += [(first, stranger, second)] if first.numel() < LARGE else []
        batches += [(first, second)]
    largest = 0.0
    for batch in batches:
        try:
            found = ask.together(batch)
        except Exception as error:  # another's code
            if no_memory(error):
                log.info("testing the network: %d volumes at once do not fit into memory", len(batch))
                continue
            if not thorough:
                raise
            why = f"it fails with {len(batch)} volumes at once ({one_line(error)})"
            remedy = (
                "Its forward must accept several volumes at once, (B, 1, I, J, K): keep the batch as the first axis"
            )
            return NetworkTrial((Finding("batch", why, remedy=remedy),), figures)
        for volume, beside in zip(batch, found, strict=True):
            if volume is stranger or not (volume is first or thorough):
                continue
            alone = answers[0 if volume is first else 1]
            if not math.isfinite(alone):
                continue
            apart = abs(beside - alone)
            largest = max(largest, apart)
            if not apart <= SAME * scale and not apart <= _rounds(ask, volume, alone):
                why = "its prediction for a volume depends on the other volumes in the batch, "
                why += _pair(alone, beside, ask.predictor) + ask.suspects(_counts_the_batch)
                return NetworkTrial((Finding("batch", why),), figures)
    return NetworkTrial((), {**figures, "batch_difference": largest})


def _rounds(ask: _Asking, volume: Tensor, alone: float) -> float:
    """By how much rounding alone may move an answer: thrice what changes of the volume's last digits do."""
    sign = torch.where(torch.rand(volume.shape).to(volume.device) < 0.5, -1.0, 1.0)
    changed = [ask.alone(volume * (1 + side * ROUNDING * sign)) for side in (1, -1)]
    return 3 * max(abs(one - alone) for one in changed)


def _scale(answers: Sequence[float]) -> float:
    """The size or spread of answers, whichever is larger."""
    finite = [one for one in answers if math.isfinite(one)] or [0.0]
    return max(*map(abs, finite), max(finite) - min(finite), 1e-30)


def _pair(one: float, other: float, predictor: Predictor) -> str:
    return f"{one:.7g} and {other:.7g} {predictor.unit}"
