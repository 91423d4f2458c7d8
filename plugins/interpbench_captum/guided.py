"""The gradient with another backward pass through every ReLU. With g the gradient that arrives at its output:

- guided backpropagation (Springenberg et al. 2015, arXiv 1412.6806): relu(g) where the ReLU's input is above zero;
- deconvolution (Zeiler, Fergus 2014, arXiv 1311.2901): relu(g) everywhere.

Both pass on only what raises the prediction. What speaks for a younger brain is not in the map; what is below zero in
it comes from the signs of the first layers' weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor, nn

from interpbench import Explainer, NotApplicable, Predictor
from interpbench_captum.forward import Forward, each


@contextmanager
def rectifiers(predictor: Predictor, method: str) -> Iterator[None]:
    """Captum changes the ReLU modules that run inside; where there is none, it would hand over a plain gradient.

    Raises:
        NotApplicable: the network has no ReLU module, or none of them ran.
    """
    found = [part for part in predictor.module.modules() if isinstance(part, nn.ReLU)]
    refused = f"{method} does not apply to this architecture:"
    if not found:
        raise NotApplicable(f"{refused} it has no ReLU module (functional rectifiers are not seen)")
    ran: list[nn.Module] = []
    handles = [part.register_forward_hook(lambda part, *_: ran.append(part)) for part in found]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Setting backward hooks on ReLU")
            yield
    finally:
        for handle in handles:
            handle.remove()
    if not ran:
        raise NotApplicable(f"{refused} its ReLU modules are not used (functional rectifiers are not seen)")


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Explainer):
    """The gradient, stopped at closed ReLUs and where it is below zero."""

    signed: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        with rectifiers(predictor, "guidedbackprop"):
            return each(volumes, attr.GuidedBackprop(Forward(predictor)).attribute)


@dataclass(frozen=True, kw_only=True)
class Deconvolution(Explainer):
    """The gradient, stopped at ReLUs where it is below zero, whether they are open or closed."""

    signed: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        with rectifiers(predictor, "deconvolution"):
            return each(volumes, attr.Deconvolution(Forward(predictor)).attribute)
