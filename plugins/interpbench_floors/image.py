"""Floors made from the image only: its intensity and its edges.

Maps of some methods hardly differ from an edge detector's, which knows nothing of the network (Adebayo et al. 2018,
arXiv 1810.03292, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.ndimage import generic_gradient_magnitude, sobel
from torch import Tensor

from interpbench import Explainer, Predictor, brain_of


@dataclass(frozen=True, kw_only=True)
class Intensity(Explainer):
    """|x| inside the brain, 0 outside."""

    floor: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return volumes[:, 0].abs() * brain_of(volumes)


@dataclass(frozen=True, kw_only=True)
class Sobel(Explainer):
    """The magnitude of the image's gradient by a 3D Sobel filter inside the brain, 0 outside.

    Along an axis the filter is (-1, 0, 1), and (1, 2, 1) along the two others.
    """

    floor: ClassVar[bool] = True

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        images = volumes[:, 0].detach().cpu().numpy()
        edges = [torch.from_numpy(generic_gradient_magnitude(image, sobel, mode="nearest")) for image in images]
        return torch.stack(edges).to(volumes) * brain_of(volumes)
