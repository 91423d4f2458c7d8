"""Try a network before it is believed: what every map takes for granted of it, on a few volumes.

- chance: the same volume twice gives the same answer, also of a network that is built again from the same weights.
  Dropout or noise that is left on does not, nor do numbers that are drawn when it is built. A network that draws
  random numbers whenever it answers is doubtful, even if its answers were the same.
- batch: a volume alone and beside strangers, in any place, gives the same answer. Statistics of the batch do not.
- gradient: the answer has a gradient by the volume, finite and not zero everywhere. `.detach()` cuts it.
- constant: different volumes give different answers.
- stuck: answers do not stick to the floor or ceiling of the network's last layer.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError
from interpbench.host.foreign import asking, no_memory
from interpbench.host.registry import one_line
from interpbench.host.untouched import untouched
from interpbench.predictor.last_layer import Bound
from interpbench.predictor.readout import bound_of
from interpbench.predictor.steadiness import LARGE as LARGE
from interpbench.predictor.steadiness import SAME, Finding, NetworkTrial, try_answers

log = logging.getLogger("interpbench")

KINDS = ("chance", "batch", "gradient", "constant", "stuck")
_REMEDY = {
    "chance": "Switch off random layers in eval mode: F.dropout needs training=self.training",
    "batch": "Use fixed statistics in eval mode: a running mean and variance",
    "gradient": "Compute in torch from input to prediction, without no_grad, detach, numpy or round",
    "constant": "Check its weights and its recipe",
    "stuck": "Check its weights, its recipe, scale and offset",
}


def try_network(predictor: Predictor, volumes: Tensor, what: str = "volumes") -> NetworkTrial:
    """Try everything; some passes for each volume.

    Args:
        volumes: `(B, 1, I, J, K)`, the first of them brains; all different.
        what: they are, for messages.

    Returns:
        The findings, those that explain others first.
    """
    answered = try_answers(predictor, volumes, thorough=True)
    if any(one.certain for one in answered.findings):
        return answered
    answers = answered.figures["answers"]
    log.info("testing the network: computing the gradient with respect to the volume")
    gradient = _try_gradient(predictor, volumes)
    spread = _try_spread(predictor, volumes, answers, what, reached=bool(gradient.figures["largest_gradient"]))
    if any(one.explains for one in spread) and not gradient.figures.get("largest_gradient"):
        gradient = NetworkTrial((), gradient.figures)  # a layer that is shut, or answers that never vary, have none
    return NetworkTrial((*gradient.findings, *spread, *answered.findings), {**answered.figures, **gradient.figures})


def try_builds(first: Predictor, second: Predictor, volumes: Tensor) -> tuple[Finding, ...]:
    """Whether one network that was built twice, and filled with the same weights, answers alike.

    Args:
        volumes: `(B, 1, I, J, K)`, asked one at a time.
    """
    for volume in volumes:
        answers = []
        for predictor in (first, second):
            with untouched(predictor.module, volume), torch.no_grad(), asking("the predictor", volume[None]):
                torch.manual_seed(0)
                answers.append(float(predictor.predict(volume[None]).double().reshape(())))
        one, other = answers
        if abs(one - other) > SAME * max(abs(one), abs(other)) or math.isfinite(one) != math.isfinite(other):
            told = f"{one:.7g} and {other:.7g} {first.unit}"
            why = f"it is built with random numbers that are not in its weights: built twice, it predicts {told}"
            remedy = "Register them as a parameter or persistent buffer, and save the weights again"
            return (Finding("chance", why, remedy=remedy),)
    return ()


def refuse_findings(
    findings: Sequence[Finding], who: str, accepted: Collection[str] = (), how: str = ""
) -> tuple[str, ...]:
    """Refuse a network with findings, except those that are accepted or uncertain.

    Args:
        who: how the message calls the predictor.
        accepted: kinds that the user takes upon themselves.
        how: one accepts a kind, for the message, with `{kind}` in it; empty where one cannot.

    Returns:
        The sentences to pass on, each beginning with `who`.

    Raises:
        InputError: the first that is neither accepted nor doubtful.
    """
    for one in findings:
        if one.certain and one.kind not in accepted:
            raise InputError(f"{who}: {one.sentence}. {one.remedy or _REMEDY[one.kind]}.{how.format(kind=one.kind)}")
    return tuple(f"{who}: {one.sentence}." for one in findings)


@dataclass(frozen=True)
class EqualPredictions:
    """Predictions of several subjects that are exactly equal."""

    sentence: str
    bound: Bound | None  # the layer that made them, where it is known
    all: bool  # whether every prediction is this number


def equal_predictions(
    predictions: Sequence[float], unit: str, bound_at: Callable[[int], Bound | None], of: str = ""
) -> list[EqualPredictions]:
    """The values that several predictions share exactly, the most frequent first.

    Args:
        predictions: one a subject.
        unit: of the predictions.
        bound_at: the layer that holds the prediction at a place, at its floor or ceiling; None where none is known.
        of: whom they are of, for the sentences.
    """
    found: list[EqualPredictions] = []
    number = len(predictions)
    for value, count in Counter(predictions).most_common(2):
        if count < 2 or not math.isfinite(value):
            continue
        bound = bound_at(list(predictions).index(value))
        if bound is not None:
            said = f"the network ends in {bound}, where gradients are zero"
        elif count >= max(3, number / 5):
            said = "the images may be the same, or a layer inside may be saturated"
        else:
            continue
        sentence = f"{count} of {number} predictions{of} are exactly {_rounded(value)} {unit}: {said}"
        found.append(EqualPredictions(sentence, bound, count == number))
    return found


def _try_gradient(predictor: Predictor, volumes: Tensor) -> NetworkTrial:
    with untouched(predictor.module, volumes), torch.enable_grad():
        for volume in volumes:
            try:
                with asking("the predictor", volume[None]):
                    found = _gradient(predictor, volume)
            except Exception as error:  # another's code
                if no_memory(error):
                    log.info("testing the network: not enough memory for a gradient")
                    return NetworkTrial((), {"largest_gradient": None})
                return _no_gradient(f"cannot be computed ({one_line(error)})")
            if found is None:
                return _no_gradient("does not exist")
            bad = int((~found.isfinite()).sum())
            if bad:
                return _no_gradient(f"is not finite in {bad} of {found.numel()} voxels")
            largest = float(found.abs().max())
            if largest > 0:
                return NetworkTrial((), {"largest_gradient": largest})
    return _no_gradient("is zero in every voxel")


def _no_gradient(why: str) -> NetworkTrial:
    sentence = f"the gradient of its prediction with respect to the volume {why}: gradient methods cannot explain it"
    return NetworkTrial((Finding("gradient", sentence),), {"largest_gradient": 0.0})


def _gradient(predictor: Predictor, volume: Tensor) -> Tensor | None:
    asked = volume[None].detach().clone().requires_grad_(True)
    answer = predictor.predict(asked)
    if not answer.requires_grad:
        return None
    (found,) = torch.autograd.grad(answer.sum(), asked, allow_unused=True)
    return found


def _try_spread(
    predictor: Predictor, volumes: Tensor, answers: list[float], what: str, *, reached: bool
) -> list[Finding]:
    """Findings about equal predictions; `reached` is whether the prediction depends on the volume."""
    finite = [one for one in answers if math.isfinite(one)]
    same = len(finite) > 1 and max(finite) - min(finite) <= 0.1 * SAME * max(1.0, *map(abs, finite))
    if same and bound_of(predictor, volumes[:1]) is None:
        told = f"{_rounded(finite[0])} {predictor.unit} for each of {len(finite)} {what}"
        why = "what they differ in does not reach the answer" if reached else "the prediction does not depend on them"
        return [Finding("constant", f"it makes the same prediction, {told}: {why}", certain=not reached, explains=True)]

    def bound_at(place: int) -> Bound | None:
        return bound_of(predictor, volumes[place : place + 1])

    return [
        Finding(
            "stuck",
            one.sentence,
            explains=one.bound is not None,
            certain=one.all and one.bound is not None and one.bound.shut,
        )
        for one in equal_predictions(answers, predictor.unit, bound_at, f" of {what}")
    ]


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value == 0 or abs(value) >= 1 else f"{value:.3g}"
