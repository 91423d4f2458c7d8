"""Refuse a predictor whose answer says nothing that a map could show: squashed, or the same for everybody.

Where a classifier's softmax or a sigmoid is left on, the answer saturates: hiding a region changes 0.999 to 0.998,
gradients vanish, and every map is flat. Numbers alone cannot tell, so the graph that autograd keeps is walked back
from the prediction, through whatever only picks, reshapes, scales or shifts a number, to the function that made it.
Sums over several numbers end the walk: the expectation over soft bins is a softmax, and all right.

The same walk finds the layer that holds a prediction at a floor or ceiling, such as a ReLU at the end.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError, message_of
from interpbench.host.foreign import asking
from interpbench.host.untouched import untouched

log = logging.getLogger("interpbench")

SAME = 1e-6  # predictions that differ by less, as a part of 1 or of their size, are one number in float32
ALIKE = 1e-3  # volumes whose voxels differ by less, as a part of their SD, are of one head

# What autograd calls each step, without "Backward0" and the like.
_SQUASHES = {
    "Softmax": "softmax",
    "LogSoftmax": "log-softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log-sigmoid",
    "Hardsigmoid": "hard sigmoid",
    "Tanh": "tanh",
}
# One number in, the same number out; or shifted, or turned round.
_PASSES = {
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Alias",
    "Clone",
    "ToCopy",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Permute",
    "Transpose",
    "T",
    "Select",
    "Slice",
    "Split",
    "SplitWithSizes",
    "Unbind",
    "Index",
    "IndexSelect",
    "Gather",
    "AsStrided",
    "Max",
    "Amax",
    "Min",
    "Amin",
    "Clamp",
    "ClampMin",
    "ClampMax",
    "Add",
    "Rsub",
    "Neg",
}
_FLOORS = {  # what holds a number at a floor or ceiling, and its name for people
    "Relu": "ReLU",
    "Threshold": "threshold",
    "Hardtanh": "Hardtanh",
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Where": "where",
    "MaskedFill": "masked_fill",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Hardsigmoid": "hard sigmoid",
    "Softplus": "softplus",
}
_FEW = 4096  # numbers of which the graph keeps the values, where a floor is looked for
_JOINS = {"Sub", "Logsumexp", "Cat", "Stack"}  # of several numbers: squashed where each of them is
_SCALES = {"Mul", "Div"}


@dataclass(frozen=True)
class Squash:
    """A squashing function at the end of a network."""

    name: str
    factor: float = 1.0  # by what its result is multiplied afterwards; NaN where that is unknown
    outputs: int = 0  # over how many numbers a softmax goes; 0 where that is unknown


@dataclass(frozen=True)
class Bound:
    """The layer at the end of a network that holds a prediction where it is."""

    layer: str
    end: str  # floor or ceiling
    shut: bool  # whether it is a rectifier at its floor: nothing below it was ever meant to be an answer

    def __str__(self) -> str:
        article = "an" if self.layer[0] in "aeiou" else "a"
        return f"{article} {self.layer} at its {self.end}"


def check_readout(
    predictor: Predictor, volumes: Tensor, who: str, *, strict: bool = False, stuck: bool = False
) -> tuple[str, ...]:
    """Refuse a predictor that ends in a softmax or sigmoid, or answers the same to every subject; one forward each.

    A sigmoid whose result is multiplied, `100 * sigmoid(z)` say, may be meant as a range: that is told and goes on.
    What keeps no graph, or cannot predict, is left to those who use it.

    Args:
        volumes: of one subject, `(1, 1, I, J, K)`, or of several, whose predictions must then differ; none, no check.
        who: how the message calls the predictor: the folder that the user named.
        strict: refuse whatever has bounds: a network that is to be trained must reach every number.
        stuck: only warn where a rectifier at the end is what makes the answers the same; it was accepted.

    Returns:
        Sentences to pass on; they are logged.

    Raises:
        InputError: with what the predictor ends in, and what would be right.
    """
    if not len(volumes):
        return ()
    try:
        with untouched(predictor.module, volumes):
            found, predictions = _first(predictor, volumes[:1])
            with torch.no_grad():
                predictions += [float(predictor.predict(volume[None])) for volume in volumes[1:]]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # another's code: whoever predicts with it next tells what went wrong
        log.debug("%s: its output could not be checked: %s", who, message_of(error))
        return ()
    told = () if found is None else _told(found, predictor, who, strict)
    if len(predictions) > 1 and _differ(volumes) and _same(predictions):
        bound = bound_of(predictor, volumes[:1])
        if bound is not None and (stuck or not bound.shut):  # others may lie within its range
            log.warning(
                "%s: the first %d predictions are %.6g %s: the network ends in %s, gradients are zero there.",
                who,
                len(predictions),
                predictions[0],
                predictor.unit,
                bound,
            )
            return told
        raise InputError(
            f"{who}: predicts the same number, {predictions[0]:.6g} {predictor.unit}, for {len(predictions)} different"
            " subjects: it reads nothing that a map could show. Train it again, or check its weights and its recipe."
        )
    for sentence in told:
        log.warning("%s", sentence)
    return told


def squash_of(prediction: Tensor) -> Squash | None:
    """The squashing function that made a prediction, as far as its graph tells."""
    return _walk(prediction.grad_fn)


def ends_in_bound(predictor: Predictor, volume: Tensor) -> bool:
    """Whether a network ends in a layer with a floor or ceiling, whether or not it holds this prediction there."""
    return _at_the_end(predictor, volume, lambda node: True) is not None


def bound_of(predictor: Predictor, volume: Tensor) -> Bound | None:
    """The floor or ceiling that the last layer holds the prediction of a volume `(1, 1, I, J, K)` at; one forward.

    None where nothing does, as far as the graph tells, or where the predictor fails.
    """
    found: Bound | None = _at_the_end(predictor, volume, _held_by)
    return found


def _at_the_end(predictor: Predictor, volume: Tensor, look: Callable[[Any], Any]) -> Any:
    """What a look at the bounding node finds; None where there is none."""
    try:
        looking = asking("the predictor", volume)
        with looking, untouched(predictor.module, volume), torch.enable_grad(), _graph_alone(_FEW):
            node = _limiting(predictor.predict(volume.detach().clone().requires_grad_(True)).grad_fn)
            return None if node is None else look(node)
    except Exception as error:  # as in `check_readout`
        log.debug("the end of the network could not be looked at: %s", error)
        return None


def _limiting(node: Any) -> Any:
    """The node that bounds a prediction, behind whatever only picks, reshapes, scales or shifts a number."""
    while node is not None:
        step = _step(node)
        if step in _FLOORS:
            return node
        before = [one for one, _ in node.next_functions if one is not None]
        alone = step in _PASSES | _SCALES | {"Sub"} or (step in ("Addmm", "Mm") and _width_in(node) == 1)
        node = before[0] if alone and len(before) == 1 else None
    return None


def _width_in(node: Any) -> int:
    """How many features a linear layer adds up; 0 where that is unknown."""
    weights = node._saved_mat2
    return int(weights.shape[0]) if isinstance(weights, Tensor) else 0


def _held_by(node: Any) -> Bound | None:
    """Which end of its range a bounding step is at; None where it is between them."""
    step = _step(node)
    name = _FLOORS[step]
    if step == "Hardtanh":
        low, high = float(node._saved_min_val), float(node._saved_max_val)
        name = "ReLU6" if (low, high) == (0, 6) else name
        return _end(name, node._saved_self, low, high, shut=low == 0)
    if step in ("Relu", "Sigmoid", "Tanh"):
        low, high = {"Relu": (0.0, math.inf), "Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}[step]
        return _end(name, node._saved_result, low, high, shut=step == "Relu")
    if step == "Threshold":
        return _end(name, node._saved_self, float(node._saved_threshold), math.inf, shut=True)
    if step.startswith("Clamp"):
        bounds = [getattr(node, key, None) for key in ("_saved_min", "_saved_max")]
        low, high = (
            -math.inf if bounds[0] is None else float(bounds[0]),
            math.inf if bounds[1] is None else float(bounds[1]),
        )
        return _end(name, node._saved_self, low, high, shut=low == 0 and math.isinf(high))
    if step in ("Maximum", "Minimum"):
        first, second = node._saved_self, node._saved_other
        varied = node.next_functions[0][0] is not None
        own, other = (first, second) if varied else (second, first)
        held = bool((own <= other).any() if step == "Maximum" else (own >= other).any())
        return Bound(name, "floor" if step == "Maximum" else "ceiling", step == "Maximum") if held else None
    if step == "Where":
        open_ = node._saved_condition if node.next_functions[0][0] is not None else ~node._saved_condition
        return None if bool(open_.all()) else Bound(name, "limit", False)
    if step == "MaskedFill":
        return Bound(name, "limit", False) if bool(node._saved_mask.any()) else None
    low, high = (-3.0, 3.0) if step == "Hardsigmoid" else (-100.0, math.inf)  # of a softplus, where float32 ends
    return _end(name, node._saved_self, low, high, shut=step == "Softplus")


def _end(name: str, values: Tensor, low: float, high: float, *, shut: bool) -> Bound | None:
    if bool((values <= low).any()):
        return Bound(name, "floor", shut)
    return Bound(name, "ceiling", False) if bool((values >= high).any()) else None


def _step(node: Any) -> str:
    """What autograd calls a node, without `Backward0` and the like."""
    return str(node.name()).rpartition("::")[2].partition("Backward")[0]


def _differ(volumes: Tensor) -> bool:
    """Whether they are of different heads; one head that is stored in two ways differs by rounding."""
    apart = (volumes - volumes[:1]).square().flatten(1).mean(1).sqrt()
    return bool((apart > ALIKE * volumes[0].std()).any())


def _first(predictor: Predictor, volume: Tensor) -> tuple[Squash | None, list[float]]:
    with torch.enable_grad(), _graph_alone():
        prediction = predictor.predict(volume.detach().clone().requires_grad_(True))
        return squash_of(prediction), [float(prediction.detach())]


@contextmanager
def _graph_alone(most: int = 1) -> Iterator[None]:
    """Keep the graph without the activations in it: few numbers are enough, and memory stays that of a forward."""
    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: saved if saved.numel() <= most else tuple(saved.shape),
        lambda kept: kept if isinstance(kept, Tensor) else torch.empty(kept, device="meta"),
    ):
        yield


def _walk(node: Any) -> Squash | None:
    if node is None:
        return None
    step = _step(node)
    if step in _SQUASHES:
        return Squash(_SQUASHES[step], outputs=_width(node) if "oftmax" in step else 0)
    before = [one for one, _ in node.next_functions if one is not None]
    if step in _JOINS:
        found = [_walk(one) for one in before]
        return found[0] if found and all(found) else None
    if len(before) != 1:  # two numbers that both depend on the volume are added or multiplied: nothing is known
        return None
    if step in _PASSES:
        return _walk(before[0])
    if step in _SCALES:
        found_before = _walk(before[0])
        return found_before and replace(found_before, factor=found_before.factor * _factor(node, step))
    return None


def _width(node: Any) -> int:
    """Over how many numbers a softmax goes."""
    shape = node._saved_result.shape
    return int(shape[node._saved_dim if node._saved_dim < len(shape) else node._saved_dim - 2**64])


def _factor(node: Any, step: str) -> float:
    """The one number that a constant multiplies or divides by; NaN where there are several."""
    for saved in (node._saved_other, node._saved_self):
        if isinstance(saved, Tensor) and saved.numel() == 1 and saved.device.type != "meta":
            return float(saved) if step == "Mul" else 1 / float(saved)
    return math.nan


def _told(found: Squash, predictor: Predictor, who: str, strict: bool) -> tuple[str, ...]:
    """Sentences about what may be meant so.

    Raises:
        InputError: about what cannot be.
    """
    if found.name == "log-softmax" and predictor.classes:
        return ()  # the logit of a class is the same from log-probabilities
    article = "an" if found.name[0] in "aeiou" else "a"
    ending = f"{who}: its output ends in {article} {found.name}"
    if found.outputs == 1:
        raise InputError(f"{ending} over one number, which makes it the same for every volume. Leave it out.")
    if "softmax" in found.name:
        wrong = "probabilities saturate, so maps of them are flat"
        raise InputError(f"{ending}: {wrong}. Explain the logit: leave out the {found.name}.")
    meant = found.name == "tanh" or abs(found.factor) != 1
    if meant and not strict and not predictor.classes:
        return (f"{ending}: where it saturates, maps are flat. If that was not meant, leave it out.",)
    if strict and not predictor.classes:
        raise InputError(f"{ending}: it has bounds, and a standardised target has none. Leave out the {found.name}.")
    raise InputError(f"{ending}: it saturates, so maps of it are flat. Explain the logit: leave out the {found.name}.")


def _same(predictions: list[float]) -> bool:
    allowed = SAME * max(1.0, *(abs(one) for one in predictions))
    return max(predictions) - min(predictions) <= allowed
