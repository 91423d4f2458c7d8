"""The plain gradient, and the gradient times the intensity.

- Simonyan, Vedaldi, Zisserman 2014, arXiv 1312.6034: R = |df/dx|.
- Shrikumar et al. 2016, arXiv 1605.01713: R = x df/dx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from interpbench import Explainer, Predictor
from interpbench_captum.forward import each


@dataclass(frozen=True, kw_only=True)
class Saliency(Explainer):
    """R = |df/dx|: the change of the prediction per change of each voxel."""

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return each(volumes, attr.Saliency(predictor.predict).attribute)


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Explainer):
    """R = x df/dx.

    It adds up to f(x) - f(0) for an affine network only, and claims no such thing for others: no `reference`.
    """

    signed: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return each(volumes, attr.InputXGradient(predictor.predict).attribute)
