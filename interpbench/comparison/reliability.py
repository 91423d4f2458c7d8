"""How well raters agree: intraclass correlations, and rank correlations of maps. Networks, or seeds, are the raters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1999
NAN = float("nan")
Values = NDArray[np.float64]


def icc(ratings: ArrayLike) -> float:
    """The intraclass correlation ICC(2,1): two-way random effects, absolute agreement, one rating.

    `ICC(2,1) = (BMS - EMS) / (BMS + (k - 1) EMS + k (JMS - EMS) / n)` with the mean squares between the n targets
    (BMS), between the k raters (JMS) and of the residual (EMS) (Shrout and Fleiss 1979). Absolute: a rater who gives
    everybody twice as much does not agree.

    Args:
        ratings: `(n, k)`, n targets by k raters.

    Returns:
        At most 1; NaN for fewer than two targets or raters, and where nothing varies.
    """
    return float(iccs(np.asarray(ratings, dtype=np.float64)[None])[0])


def iccs(ratings: Values) -> Values:
    """`icc` of many tables at once.

    Args:
        ratings: `(..., n, k)`.

    Returns:
        `(...)`.
    """
    n, k = ratings.shape[-2:]
    if n < 2 or k < 2:
        return np.full(ratings.shape[:-2], NAN)
    mean = ratings.mean(axis=(-2, -1), keepdims=True)
    targets, raters = ratings.mean(axis=-1, keepdims=True), ratings.mean(axis=-2, keepdims=True)
    between = k * ((targets - mean) ** 2).sum(axis=(-2, -1)) / (n - 1)
    judges = n * ((raters - mean) ** 2).sum(axis=(-2, -1)) / (k - 1)
    error = ((ratings - targets - raters + mean) ** 2).sum(axis=(-2, -1)) / ((n - 1) * (k - 1))
    variance = between + (k - 1) * error + k * (judges - error) / n
    known = variance > 0
    return np.where(known, (between - error) / np.where(known, variance, 1), NAN)


def icc_interval(ratings: Values, *, seed: int = 0) -> list[float] | None:
    """95 % interval of `icc` by the percentile bootstrap over targets; raters are the ones that there are.

    Args:
        ratings: `(n, k)`.

    Returns:
        None for fewer than four targets, or where nothing varies.
    """
    n = len(ratings)
    if n < 4 or not np.isfinite(icc(ratings)):
        return None
    draws = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    found = iccs(ratings[draws])
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.025, 0.975])
    return [float(low), float(high)]


def mean_rank_correlation(maps: Values) -> float:
    """Spearman's correlation of several maps with each other, mean over pairs.

    Args:
        maps: `(k, v)`, k maps of v voxels.

    Returns:
        NaN for fewer than two maps; a constant map correlates with nothing, so its pairs are left out.
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(map) for map in maps])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1))
    pairs = [(i, j) for i in range(len(maps)) for j in range(i) if length[i] > 0 and length[j] > 0]
    return float(np.mean([ranks[i] @ ranks[j] / (length[i] * length[j]) for i, j in pairs])) if pairs else NAN
