"""How alike are two maps? By rank, and by structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

NAN = float("nan")
SIGMA = 1.5  # of SSIM's window, in voxels; Wang et al.
K1, K2 = 0.01, 0.03  # Wang et al.
REACH = 5  # of that window to either side, in voxels: 11 x 11 x 11
TOP = 99  # the percentile of importance that counts as 1


def spearman(first: ArrayLike, second: ArrayLike, inside: ArrayLike | None = None) -> float:
    """Spearman's rank correlation of two maps; ties share their mean rank.

    Args:
        first, second: of one shape.
        inside: of the same shape, not 0 where voxels count; all where it is None.

    Returns:
        -1 to 1; NaN where one of them is constant.
    """
    ranks = [rankdata(_voxels(map, inside)) for map in (first, second)]
    ranks = [rank - rank.mean() for rank in ranks]
    size = float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    return float(np.clip((ranks[0] @ ranks[1]) / size, -1, 1)) if size > 0 else NAN


def ssim(first: ArrayLike, second: ArrayLike, inside: ArrayLike | None = None) -> float:
    """Structural similarity of two maps of values from 0 to 1, in as many dimensions as they have.

    `SSIM = (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))` with means, variances and the
    covariance in a Gaussian window around each voxel, `c1 = 0.01^2`, `c2 = 0.03^2` (Wang et al. 2004, eq. 13); its
    mean over voxels.

    Args:
        first, second: `(I, J, K)`.
        inside: of the same shape, not 0 where the mean is taken; everywhere where it is None.

    Returns:
        -1 to 1; 1 for equal maps.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    mean_a, mean_b = _window(a), _window(b)
    variance_a, variance_b = _window(a * a) - mean_a**2, _window(b * b) - mean_b**2
    covariance = _window(a * b) - mean_a * mean_b
    c1, c2 = K1**2, K2**2
    values = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    values /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float(_voxels(values, inside).mean())


def on_common_scale(map: ArrayLike, inside: ArrayLike) -> NDArray[np.float64]:
    """`|map|` inside, so that 1 is its 99th percentile there and what is above is 1; 0 outside.

    Two networks' gradients may differ a thousandfold in size and be one picture. The percentile, and not the maximum,
    which is a single voxel's.

    Args:
        map: `(I, J, K)`.
        inside: `(I, J, K)`, not 0 where it counts.
    """
    within = np.asarray(inside) != 0
    values = np.abs(np.asarray(map, dtype=np.float64)) * within
    top = float(np.percentile(values[within], TOP)) or float(values.max())
    scaled: NDArray[np.float64] = np.clip(values / top, 0, 1) if top > 0 else values
    return scaled


def _window(values: NDArray[np.float64]) -> NDArray[np.float64]:
    smooth: NDArray[np.float64] = gaussian_filter(values, SIGMA, radius=REACH)
    return smooth


def _voxels(map: ArrayLike, inside: ArrayLike | None) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(map, dtype=np.float64)
    chosen: NDArray[np.float64] = values.ravel() if inside is None else values[np.asarray(inside) != 0]
    return chosen
