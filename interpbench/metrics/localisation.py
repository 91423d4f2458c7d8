"""Does a map point at where the truth is?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def auc(score: ArrayLike, truth: ArrayLike) -> float:
    """The chance that a voxel of the truth scores higher than one outside it, ties counting one half.

    `AUC = (R - n (n + 1) / 2) / (n m)`, where `R` is the sum of the ranks of the truth's `n` voxels among all `n + m`,
    tied ones sharing their mean rank (Mann and Whitney 1947). To look inside the brain only, pass `map[brain]` and
    `truth[brain]`.

    Args:
        score: any shape, higher is more important; an array or a tensor on the CPU.
        truth: of the same shape, not 0 where the truth is.

    Returns:
        0 to 1, where 0.5 is chance; NaN where the truth is empty or everything.

    Raises:
        ValueError: the shapes differ, or a score is NaN.
    """
    values, inside = np.asarray(score, dtype=np.float64), np.asarray(truth) != 0
    if values.shape != inside.shape:
        raise ValueError(f"score and truth must have one shape, got {values.shape} and {inside.shape}")
    if np.isnan(values).any():
        raise ValueError(f"score holds {int(np.isnan(values).sum())} values that are NaN, which have no rank")
    n, m = int(inside.sum()), int((~inside).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((_ranks(values.ravel())[inside.ravel()].sum() - n * (n + 1) / 2) / (n * m))


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, from 1 up; tied values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: np.ndarray = (last - (count - 1) / 2)[place]
    return shared
