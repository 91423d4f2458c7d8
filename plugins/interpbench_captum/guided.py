"""Gradients with a modified backward pass through every ReLU.

With g the gradient that arrives at its output:

- guided backpropagation (Springenberg et al. 2015, arXiv 1412.6806): relu(g) where the ReLU's input is above zero;
- deconvolution (Zeiler, Fergus 2014, arXiv 1311.2901): relu(g) everywhere.

Both pass on only what raises the prediction. What speaks for a younger brain is not in the map; what is below zero in
it comes from the signs of the first layers' weights.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from captum import attr
from torch import Tensor, nn

from interpbench import Explainer, NotApplicable, Predictor
from interpbench_captum.forward import Forward, each
from interpbench_captum.graph import nodes_behind, seen, step_of

# What autograd calls other functions that let some numbers through and others not, and their names for people. The
# gate of a sigmoid or tanh is none of them.
_OTHERS = {
    "LeakyRelu": "leaky ReLU",
    "Elu": "ELU",
    "Celu": "CELU",
    "PreluKernel": "PReLU",
    "RreluWithNoise": "RReLU",
    "Gelu": "GELU",
    "Silu": "SiLU",
    "Mish": "Mish",
    "Hardswish": "Hardswish",
    "Hardtanh": "ReLU6 or Hardtanh",
    "Softplus": "Softplus",
    "Threshold": "Threshold",
    "Clamp": "clamp at 0",
    "ClampMin": "clamp at 0",
    "Maximum": "maximum of a number and a constant",
}
_OWN = ("relu", "swish", "gelu", "silu")  # in the names of functions with a backward pass of their own


@contextmanager
def rectifiers(predictor: Predictor, volumes: Tensor, method: str) -> Iterator[None]:
    """Captum changes the ReLU modules that run inside, and nothing else: where others rectify, it would mix two rules.

    Raises:
        NotApplicable: the network rectifies by anything but ReLU modules, or not at all.
    """
    refused = f"{method} does not apply to this architecture:"
    if not any(isinstance(part, nn.ReLU) for part in predictor.module.modules()):
        raise NotApplicable(f"{refused} it has no ReLU module (functional rectifiers are not seen)")
    ran: list[Any] = []

    def watch(part: nn.Module, output: Tensor) -> None:
        if isinstance(part, nn.ReLU):
            ran.append(output.grad_fn)

    prediction = seen(predictor, volumes[:1], watch)
    if not ran:
        raise NotApplicable(f"{refused} its ReLU modules are not used (functional rectifiers are not seen)")
    counted = Counter(_others(nodes_behind(prediction.grad_fn), ran))
    if counted:
        found = ", ".join(f"{name} ({number})" for name, number in sorted(counted.items()))
        raise NotApplicable(
            f"{refused} beside {len(ran)} calls of ReLU modules it rectifies by {found}, to which the rule does not"
            " apply. Build the network with nn.ReLU only"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting backward hooks on ReLU")
        yield


def _others(nodes: Sequence[Any], known: Sequence[Any]) -> list[str]:
    """What rectifies in a graph, but for the nodes that are known to be of ReLU modules."""
    found = []
    for node in nodes:
        step = step_of(node)
        if step == "Relu" and node not in known:
            found.append("a functional ReLU, such as F.relu")
        elif step in _OTHERS and _rectifies(node, step):
            found.append(_OTHERS[step])
        elif step != "Relu" and step not in _OTHERS and any(word in step.lower() for word in _OWN):
            found.append(step)
    return found


def _rectifies(node: Any, step: str) -> bool:
    """Whether it rectifies features, and does not bound the one number at the end, or a divisor."""
    values = getattr(node, "_saved_self", None)
    if values is not None and values.numel() <= 1:
        return False
    if step.startswith("Clamp"):
        low, high = getattr(node, "_saved_min", None), getattr(node, "_saved_max", None)
        return high is None and isinstance(low, int | float) and low == 0
    return step != "Maximum" or sum(before is not None for before, _ in node.next_functions) == 1


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Explainer):
    """Guided backpropagation: the gradient, set to zero at inactive ReLUs and where it is negative."""

    signed: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        with rectifiers(predictor, volumes, "guidedbackprop"):
            return each(volumes, attr.GuidedBackprop(Forward(predictor)).attribute)


@dataclass(frozen=True, kw_only=True)
class Deconvolution(Explainer):
    """Deconvolution: the gradient, set to zero at every ReLU where it is negative."""

    signed: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        with rectifiers(predictor, volumes, "deconvolution"):
            return each(volumes, attr.Deconvolution(Forward(predictor)).attribute)
