"""What stands where voxels are hidden: five ways to hide, each of which fails in a way of its own.

Every way keeps the visible voxels and changes only hidden ones, which lie inside the brain.

- zero: 0, the image's mean after normalisation. Leaves a hole with a sharp edge.
- noise: Gaussian noise of the brain's mean and SD; the same field for every method.
- blur: the image itself, smoothed inside the brain. Keeps what is coarse.
- mean: the cohort's mean image, where the images share a space. Looks most like a brain.
- road: what the visible neighbours say (see `road`). Keeps no trace of which shape was cut out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import conv3d

from interpbench import Case, NotApplicable, UsageError
from interpbench.errors import did_you_mean
from interpbench_measures.road import connected, road

IMPUTERS = ("zero", "noise", "blur", "mean", "road")
WORDS = {
    "zero": "the image's mean",
    "noise": "Gaussian noise",
    "blur": "the image, blurred",
    "mean": "the cohort's mean image",
    "road": "values interpolated from their neighbours",
}
SHORT = {
    "zero": "mean value",
    "noise": "noise",
    "blur": "blur",
    "mean": "mean brain",
    "road": "ROAD imputation",
}
"""The same in titles of measures."""


def impute(case: Case, hidden: Tensor, imputer: str, *, blur: float = 12.0) -> Tensor:
    """The case's volume with some of its voxels hidden; the same for every method that hides the same voxels.

    Args:
        hidden: one set of hidden voxels a row, `(Q, I, J, K)` bool, inside the brain.
        imputer: one of `IMPUTERS`.
        blur: SD of the blur's Gaussian, mm.

    Returns:
        `(Q, 1, I, J, K)` float32.

    Raises:
        NotApplicable: `mean`, and the cohort has no mean image.
    """
    if imputer == "road":
        parts = case.once("parts of the brain", lambda: connected(case.brain))
        noise = case.once("noise of road", lambda: _standard_normal(case, "road"))
        return road(case.volume, case.brain, hidden, noise=noise, parts=parts)
    return torch.where(hidden[:, None], filling(case, imputer, blur), case.volume)


def filling(case: Case, imputer: str, blur: float = 12.0) -> Tensor:
    """The image `(1, I, J, K)` that `zero`, `noise`, `blur` or `mean` puts where voxels are hidden.

    Raises:
        NotApplicable: as `impute`.
    """
    if imputer == "zero":
        return torch.zeros_like(case.volume)
    if imputer == "noise":
        noise: Tensor = case.once("imputer noise", lambda: _like_the_brain(case))
        return noise
    if imputer == "blur":
        sigma = blur / case.voxel_size
        smooth: Tensor = case.once(f"imputer blur {blur}", lambda: blurred(case.volume, case.brain, sigma))
        return smooth
    if imputer == "mean":
        if case.mean_volume is None:
            raise NotApplicable("the images do not share a space, so the cohort has no mean image")
        return case.mean_volume
    raise UsageError(f"Unknown imputer {imputer!r}.{did_you_mean(imputer, IMPUTERS)} {', '.join(IMPUTERS)}.")


def blurred(volume: Tensor, brain: Tensor, sigma: float) -> Tensor:
    """Smooth an image inside the brain: `G * (x M) / G * M`, so that no background leaks in.

    Normalised convolution (Knutsson and Westin 1993); the Gaussian G is cut off at 4 SD.

    Args:
        volume: `(1, I, J, K)`.
        brain: M, `(I, J, K)` bool.
        sigma: SD of G, voxels.

    Returns:
        `(1, I, J, K)`; outside the brain the volume as it was.
    """
    inside = torch.stack([volume[0] * brain, brain.to(volume.dtype)])[:, None]  # (2, 1, I, J, K)
    for axis in range(3):
        reach = min(max(1, math.ceil(4 * sigma)), volume.shape[axis + 1] - 1)
        places = torch.arange(-reach, reach + 1, dtype=volume.dtype, device=volume.device)
        bell = torch.exp(-0.5 * (places / sigma) ** 2)
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[axis + 2], padding[axis] = -1, reach
        inside = conv3d(inside, (bell / bell.sum()).reshape(shape), padding=padding)
    return torch.where(brain, inside[0] / inside[1].clamp(min=torch.finfo(volume.dtype).tiny), volume)


def check_imputers(names: Iterable[str], component: str) -> None:
    """Refuse a list of imputers that is empty, or that names one twice or one that does not exist.

    Raises:
        UsageError: with the nearest known name.
    """
    names, known = tuple(names), ", ".join(IMPUTERS)
    for name in names:
        if name not in IMPUTERS:
            raise UsageError(
                f"imputers of {component} must be some of {known}; got {name!r}.{did_you_mean(name, IMPUTERS)}"
            )
    if not names or len(set(names)) < len(names):
        raise UsageError(f"imputers of {component} must be some of {known}, each once; got {','.join(names)!r}.")


def _standard_normal(case: Case, purpose: str) -> Tensor:
    return torch.randn(case.volume.shape, generator=case.generator(purpose)).to(case.volume.device)


def _like_the_brain(case: Case) -> Tensor:
    inside = case.volume[0][case.brain]
    return inside.mean() + inside.std(correction=0) * _standard_normal(case, "imputer noise")
