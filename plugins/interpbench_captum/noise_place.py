"""Restricts the noise added to a volume to the brain.

The background of a volume is one value, as in every volume that a network has learned from. Noise there is what no
network has seen; what it answers says nothing about the brain.
"""

from __future__ import annotations

import torch
from captum.attr import GradientAttribution
from torch import Tensor

from interpbench import brain_of

PLACES = ("brain", "volume")


def noise_in(method: GradientAttribution, volume: Tensor, place: str) -> GradientAttribution:
    """The same method of Captum, with noise only at the chosen voxels.

    The noise is drawn for all voxels, whatever the place: in the brain it is the same.

    Args:
        method: what a `NoiseTunnel` asks; its `attribute` is replaced.
        volume: without noise, `(1, 1, I, J, K)`.
        place: `brain`, what is not background, or `volume`.
    """
    if place == "volume":
        return method
    brain, clean = brain_of(volume)[:, None], volume.detach()
    whole = type(method).attribute.__wrapped__  # as Captum calls it: without a word to its log

    def attribute(self: GradientAttribution, inputs: Tensor, *given: object, **named: object) -> object:
        return whole(self, torch.where(brain, inputs.detach(), clean).requires_grad_(), *given, **named)

    attribute.__wrapped__ = attribute  # type: ignore[attr-defined]
    method.attribute = attribute
    return method


def noisy_copies(volume: Tensor, samples: int, sd: float, place: str) -> Tensor:
    """Copies of a volume with the noise of a `NoiseTunnel`, only at the chosen voxels.

    Args:
        volume: `(1, 1, I, J, K)`.
        sd: of the noise.
        place: as in `noise_in`.

    Returns:
        `(samples, 1, I, J, K)`.
    """
    clean = volume.detach()
    noise = torch.normal(0, torch.full((samples, *clean.shape[1:]), sd, device=clean.device))
    return clean + (noise if place == "volume" else noise * brain_of(clean)[:, None])
