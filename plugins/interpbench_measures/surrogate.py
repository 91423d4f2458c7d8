"""Random maps with another map's values and smoothness: what pure chance looks like beside it."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.special import ndtri
from scipy.stats import rankdata

WIDEST = 12.0  # voxels; a smoother map is taken for as smooth as that


def smoothness(map: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """The sigma, in voxels, of the Gaussian that makes white noise correlate between neighbours as this map does.

    The map's values are replaced by the normal scores of their ranks, so that a few high ones do not decide. Noise
    smoothed with weights k correlates by `sum_i k_i k_(i+1) / sum_i k_i^2` with its neighbour, which is solved for
    sigma.

    Args:
        map: `(I, J, K)`.
        inside: `(I, J, K)`, the voxels that count.

    Returns:
        0 where neighbours do not correlate.
    """
    scores = np.zeros(map.shape)
    scores[inside] = ndtri((rankdata(map[inside]) - 0.5) / inside.sum())
    products, squares = 0.0, 0.0
    for axis in range(map.ndim):
        first, second = (np.take(scores, range(i, map.shape[axis] - 1 + i), axis) for i in (0, 1))
        both = np.take(inside, range(map.shape[axis] - 1), axis) & np.take(inside, range(1, map.shape[axis]), axis)
        products += float((first * second)[both].sum())
        squares += float((first**2 + second**2)[both].sum()) / 2
    if squares == 0:
        return 0.0
    sigmas, correlations = _neighbours()
    return float(np.interp(products / squares, correlations, sigmas))


def random_like(
    map: NDArray[np.float64], inside: NDArray[np.bool_], sigma: float, generator: torch.Generator
) -> NDArray[np.float64]:
    """The map's values inside, at places that smooth noise decides.

    Args:
        map: `(I, J, K)`.
        inside: `(I, J, K)`.
        sigma: of the Gaussian that smooths the noise, in voxels.
        generator: on the CPU.

    Returns:
        `(I, J, K)`, 0 outside.
    """
    noise = torch.randn(map.shape, generator=generator, dtype=torch.float64).numpy()
    smooth = gaussian_filter(noise, sigma, mode="wrap") if sigma > 0 else noise
    values = np.empty(int(inside.sum()))
    values[np.argsort(smooth[inside])] = np.sort(map[inside])
    result = np.zeros(map.shape)
    result[inside] = values
    return result


@cache
def _neighbours() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sigmas, and how smoothed noise then correlates with its neighbour."""
    sigmas = np.concatenate([[0.0], np.geomspace(0.2, WIDEST, 200)])
    impulse = np.zeros(int(10 * WIDEST) + 1)
    impulse[impulse.size // 2] = 1.0
    weights = [gaussian_filter1d(impulse, sigma) if sigma else impulse for sigma in sigmas]
    return sigmas, np.array([float(k[1:] @ k[:-1]) / float(k @ k) for k in weights])
