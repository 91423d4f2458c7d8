"""Baselines: the volume x' that a path starts from, or that replaces the voxels of a box."""

from __future__ import annotations

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from interpbench import brain_of

BASELINES = ("zero", "image_mean", "blur")


def baseline(volumes: Tensor, kind: str, sigma: float) -> Tensor:
    """The baseline x' of each volume.

    Args:
        volumes: `(B, 1, I, J, K)`.
        kind: `zero`, which is the brain's mean after normalisation; `image_mean`, the mean of the volume's own brain
            voxels; `blur`, the volume after a Gaussian filter.
        sigma: the filter's SD, in voxels.

    Returns:
        `(B, 1, I, J, K)`.
    """
    volumes = volumes.detach()
    reference = torch.zeros_like(volumes)
    if kind == "image_mean":
        for filled, volume, brain in zip(reference, volumes, brain_of(volumes), strict=True):
            filled.fill_(float(volume[0, brain].double().mean()))
    if kind == "blur":
        for filled, volume in zip(reference, volumes, strict=True):
            filled[0] = torch.from_numpy(gaussian_filter(volume[0].cpu().numpy(), sigma, mode="nearest"))
    return reference
