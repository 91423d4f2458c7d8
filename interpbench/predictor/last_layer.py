"""The last layer of a network that shapes its answer, read off the graph that autograd keeps of one prediction.

The graph is walked back from the prediction, through whatever only picks, reshapes, scales or shifts a number, to the
function that made it. Sums over several numbers end the walk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

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
_FLOORS = {  # what holds a number at a floor or ceiling, and its name in messages
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
FEW = 4096  # numbers of which the graph keeps the values, where a floor is looked for
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


def squash_of(prediction: Tensor) -> Squash | None:
    """The squashing function that made a prediction, as far as its graph shows."""
    return _walk(prediction.grad_fn)


def bounding_node(node: Any) -> Any:
    """The node that may hold a prediction at a floor or ceiling, behind selections, reshapes, scales and shifts."""
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


def bound_at(node: Any) -> Bound | None:
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


@contextmanager
def graph_without_activations(most: int = 1) -> Iterator[None]:
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
