"""A map without its unit: percentile ranks inside the brain, and in words what the ranks hide."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEARLY = 0.01  # a map whose SD is below this part of its mean is nearly flat
ROUNDING = 1e-6  # below this part it is flat but for rounding
FEWEST, MOST = 4, 7  # digits of the ends of a nearly flat map; single precision has no more


def percentile_ranks(map: ArrayLike, brain: ArrayLike) -> NDArray[np.float64]:
    """How many percent of the brain's voxels have a smaller `|map|`; 0 outside the brain, and for a flat map.

    Args:
        map: `(I, J, K)`.
        brain: `(I, J, K)` bool.

    Returns:
        `(I, J, K)`, at least 0 and below 100; equal values have equal ranks.
    """
    inside, values = np.asarray(brain, bool), np.abs(np.asarray(map, np.float64))
    within = values[inside]
    ranks = np.zeros(values.shape)
    if within.size and not _flat(within):
        ranks[inside] = 100 * np.searchsorted(np.sort(within), within, side="left") / within.size
    return ranks


def spread_in_words(map: ArrayLike, brain: ArrayLike) -> str:
    """The range of `|map|` inside the brain, and whether the map says anything at all."""
    within = np.abs(np.asarray(map, np.float64))[np.asarray(brain, bool)]
    if not within.size:
        return "no brain"
    low, high = float(within.min()), float(within.max())
    if _flat(within):
        return f"FLAT: every voxel is {high:.3g}"
    if _variation(within) < NEARLY:
        return f"NEARLY FLAT: {_told_apart(low, high)}"
    kinds, counts = np.unique(within, return_counts=True)
    commonest = int(counts.argmax())
    text = f"{low:.3g} to {high:.3g}"
    if counts[commonest] > 0.2 * within.size:
        text += f"; {_percent(counts[commonest] / within.size)} % are {kinds[commonest]:.2g}"
    return text


def _told_apart(low: float, high: float) -> str:
    """Both ends, with as many digits as needed to distinguish them."""
    for digits in range(FEWEST, MOST):
        if f"{low:.{digits}g}" != f"{high:.{digits}g}":
            return f"{low:.{digits}g} to {high:.{digits}g}"
    return f"{low:.{MOST}g} to {high:.{MOST}g}"


def _percent(share: float) -> str:
    """A share in percent; 100 stands for all only."""
    return "over 99" if 0.995 <= share < 1 else f"{100 * share:.0f}"


def _variation(within: NDArray[np.float64]) -> float:
    """The SD over the mean, of values at least 0."""
    mean = float(within.mean())
    return float(within.std()) / mean if mean > 0 else 0.0


def _flat(within: NDArray[np.float64]) -> bool:
    return _variation(within) < ROUNDING
