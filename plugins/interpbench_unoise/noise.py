"""From mask to noise (Bintsi et al. 2021, Eq. 1, in both readings).

`scaled`, what the text and the 2D code say: sigma = v_min + B (v_max - v_min), X_noisy = X + sigma epsilon.
`equation1`, as printed: X_noisy = X + B (v_max - v_min) epsilon + v_min.

In both, X_noisy = X + shift + sigma epsilon, with epsilon ~ N(0, 1) for each voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOISE_FORMS = ("scaled", "equation1")


@dataclass(frozen=True)
class Noise:
    """Form and range of the noise, in units of the normalised volume."""

    v_min: float
    v_max: float
    form: str = "scaled"

    @property
    def span(self) -> float:
        """D = v_max - v_min."""
        return self.v_max - self.v_min

    @property
    def shift(self) -> float:
        """The constant that is added to every voxel."""
        return self.v_min if self.form == "equation1" else 0.0

    def sigma(self, mask: Tensor) -> Tensor:
        """The noise's standard deviation for each voxel of a mask in (0, 1)."""
        floor = self.v_min if self.form == "scaled" else 0.0
        return floor + mask * self.span


def standard_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise, epsilon ~ N(0, 1), shaped like `like`, drawn on the generator's device."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like.device)


def generator_on(device: torch.device, seed: int) -> torch.Generator:
    """A generator that draws on the device, so that noise need not be brought there."""
    return torch.Generator(device).manual_seed(seed)
