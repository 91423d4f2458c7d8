"""Floors made of noise: white noise, and noise as smooth as importance maps.

Smooth maps win points in measures of faithfulness whatever they show (arXiv 2304.13836), so a method must beat both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from interpbench import Explainer, Predictor, brain_of, check_options, option


@dataclass(frozen=True, kw_only=True)
class Random(Explainer):
    """Uniform white noise between 0 and 1 inside the brain, 0 outside."""

    floor: ClassVar[bool] = True

    seed: int = option(0, "seed of the noise")

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """The same noise for every volume of a call: each subject has its own seed."""
        noise = torch.rand(volumes.shape[2:], generator=torch.Generator().manual_seed(self.seed))
        return noise.to(volumes.device) * brain_of(volumes)


@dataclass(frozen=True, kw_only=True)
class SmoothRandom(Explainer):
    """Gaussian-smoothed white noise inside the brain, 0 outside.

    Its values go through the normal distribution function, so that they are spread between 0 and 1 as those of
    `Random` are: the two differ in smoothness alone.
    """

    floor: ClassVar[bool] = True

    sigma: float = option(2.0, "SD of the Gaussian filter, in voxels", above=0)
    seed: int = option(0, "seed of the noise")

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """The same noise for every volume, as `Random`."""
        shape, generator = volumes.shape[2:], torch.Generator().manual_seed(self.seed)
        white = torch.randn(shape, generator=generator, dtype=torch.float64)
        # Wrapped around, every voxel has the same distribution, those at the border too.
        smooth = torch.from_numpy(gaussian_filter(white.numpy(), self.sigma, mode="wrap"))
        spread = smooth.square().mean().sqrt().clamp(min=1e-12)
        uniform: Tensor = torch.special.ndtr(smooth / spread).float()
        return uniform.to(volumes.device) * brain_of(volumes)
