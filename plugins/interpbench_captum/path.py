"""Gradients on the straight path from a baseline x' to the volume x.

- Integrated gradients (Sundararajan, Taly, Yan 2017, arXiv 1703.01365, Eq. 1):
  R = (x - x') integral over a in [0, 1] of df/dx at x' + a (x - x'), by Gauss-Legendre quadrature.
- GradientSHAP (Lundberg, Lee 2017, arXiv 1705.07874; its library's "expected gradients"): that integral by chance,
  R = mean over samples of (x + e - x') df/dx at x' + a (x + e - x'), a uniform in [0, 1], e noise in the brain, or
  everywhere.

Both claim completeness, sum R = f(x) - f(x'), to the error of the integral; GradientSHAP without noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from interpbench import Explainer, Predictor, check_options, option
from interpbench_captum.baselines import BASELINES, baseline
from interpbench_captum.forward import each, in_batches, seeded
from interpbench_captum.noise_place import PLACES, noisy_copies


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(Explainer):
    """R = (x - x') times the mean gradient between x' and x."""

    signed: ClassVar[bool] = True

    n_steps: int = option(50, "number of points on the path; each costs a forward and a backward pass", minimum=1)
    baseline: str = option("zero", "image at the start of the path", choices=BASELINES)
    sigma: float = option(4.0, "SD of the Gaussian for baseline=blur, in voxels", above=0)
    batch_size: int = option(4, "number of points in a pass through the network", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        method = in_batches(attr.IntegratedGradients(predictor.predict), self.batch_size, "integrated gradients")
        return each(volumes, lambda x: method.attribute(x, baselines=self.reference(x), n_steps=self.n_steps))

    def reference(self, volumes: Tensor) -> Tensor:
        return baseline(volumes, self.baseline, self.sigma)


@dataclass(frozen=True, kw_only=True)
class GradientShap(Explainer):
    """R = mean of (x - x') times the gradient at random points between x' and x; x' is one volume, not a population."""

    signed: ClassVar[bool] = True

    samples: int = option(
        25, "number of random points on the path; each costs a forward and a backward pass", minimum=1
    )
    noise_sd: float = option(
        0.0, "SD of the added noise, in SDs of the normalised volume (with normalise=none, in image units)", minimum=0
    )
    noise_over: str = option("brain", "voxels that noise is added to", choices=PLACES)
    baseline: str = option("zero", "image at the start of the path", choices=BASELINES)
    sigma: float = option(4.0, "SD of the Gaussian for baseline=blur, in voxels", above=0)
    batch_size: int = option(4, "number of samples in a pass through the network", minimum=1)
    seed: int = option(0, "seed of the random points and the noise")

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        method = in_batches(attr.GradientShap(predictor.predict), self.batch_size, "GradientSHAP")

        def attribute(volume: Tensor) -> Tensor:
            start = baseline(volume, self.baseline, self.sigma)
            with seeded(self.seed, volume.device):
                # Captum would draw the same noise, but add all of it.
                copies = noisy_copies(volume, self.samples, float(self.noise_sd), self.noise_over)
                maps: Tensor = method.attribute(copies, start, n_samples=1, stdevs=0.0)
            return maps.mean(dim=0, keepdim=True)

        return each(volumes, attribute)

    def reference(self, volumes: Tensor) -> Tensor | None:
        """x'; None with noise, because the maps then add up to f(x + noise) - f(x')."""
        return None if self.noise_sd else baseline(volumes, self.baseline, self.sigma)
