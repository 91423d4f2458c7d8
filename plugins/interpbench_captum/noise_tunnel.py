"""Gradients g = df/dx at x + e, combined over samples: e ~ N(0, noise_sd^2) in each voxel of brain or volume.

- SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): R = mean g.
- SmoothGrad-Squared (Hooker et al. 2019, arXiv 1806.10758): R = mean g^2.
- VarGrad (Adebayo et al. 2018, arXiv 1810.03307): R = mean g^2 - (mean g)^2. Where the network is linear, g does not
  vary, and nothing but rounding is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from interpbench import Explainer, Predictor, check_options, option
from interpbench_captum.forward import each, in_batches, seeded
from interpbench_captum.noise_place import PLACES, noise_in


@dataclass(frozen=True, kw_only=True)
class _UnderNoise(Explainer):
    kind: ClassVar[str]  # Captum's word for how the samples are put together

    noise_sd: float = option(
        0.5, "SD of the added noise, in SDs of the normalised volume (with normalise=none, in image units)", minimum=0
    )
    noise_over: str = option("brain", "voxels that noise is added to", choices=PLACES)
    samples: int = option(25, "number of noise samples; each costs a forward and a backward pass", minimum=1)
    batch_size: int = option(4, "number of samples in a pass through the network", minimum=1)
    seed: int = option(0, "seed of the noise")

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        def attribute(volume: Tensor) -> Tensor:
            gradient = in_batches(attr.Saliency(predictor.predict), self.batch_size, "gradients under noise")
            tunnel = attr.NoiseTunnel(noise_in(gradient, volume, self.noise_over))
            with seeded(self.seed, volume.device):
                # abs=False: the gradient itself is averaged, and not its size
                map: Tensor = tunnel.attribute(
                    volume, nt_type=self.kind, nt_samples=self.samples, stdevs=float(self.noise_sd), abs=False
                )
            return map

        return each(volumes, attribute)


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(_UnderNoise):
    """R = mean g over noisy copies of the volume."""

    signed: ClassVar[bool] = True
    kind: ClassVar[str] = "smoothgrad"


@dataclass(frozen=True, kw_only=True)
class SmoothGradSquared(_UnderNoise):
    """R = mean g^2 over noisy copies of the volume."""

    kind: ClassVar[str] = "smoothgrad_sq"


@dataclass(frozen=True, kw_only=True)
class VarGrad(_UnderNoise):
    """R = variance of g over noisy copies of the volume."""

    kind: ClassVar[str] = "vargrad"

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return super().explain(predictor, volumes).clamp(min=0)  # a difference of two means, which rounding may turn
