"""How concentrated is a map? Shown beside the other measures, never ranked by: a wrong map may be simple too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interpbench import Case, Measure, Metric


def gini(score: ArrayLike) -> float:
    """The Gini index of importance: how unequally it is spread (Chalasani et al. 2020; Hurley and Rickard 2009).

    `G = sum_i (2 i - n - 1) a_(i) / (n sum_i a_i)`, with `a_(1) <= ... <= a_(n)`.

    Args:
        score: any shape, at least 0.

    Returns:
        0 where all are equal, `1 - 1/n` where one voxel has it all; NaN where nothing is important.
    """
    values = np.sort(_checked(score))
    n, total = values.size, float(values.sum())
    if total == 0:
        return float("nan")
    places = 2 * np.arange(1, n + 1) - n - 1
    return float(places @ values) / (n * total)


def entropy(score: ArrayLike) -> float:
    """The entropy of importance as shares, over its largest value (after Bhatt et al. 2020).

    `H = -sum_i p_i log p_i / log n`, with `p_i = a_i / sum a`.

    Args:
        score: any shape, at least 0.

    Returns:
        1 where all are equal, 0 where one voxel has it all; NaN where nothing is important, or for a single voxel.
    """
    values = _checked(score)
    total = float(values.sum())
    if total == 0 or values.size < 2:
        return float("nan")
    shares = values[values > 0] / total
    shares = shares[shares > 0]  # what the division made too small for a number
    return float(abs(shares @ np.log(shares))) / float(np.log(values.size))


@dataclass(frozen=True, kw_only=True)
class Complexity(Metric):
    """Gini index and entropy of the importance inside the brain."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (
            _measure(
                "gini",
                "Concentration of importance (Gini)",
                "Gini index of importance; 0 if all voxels are equal, near 1 for a single voxel",
            ),
            _measure(
                "entropy",
                "Spread of importance (entropy)",
                "Entropy of importance, relative to log |M|; 0 for a single voxel, 1 if all are equal",
            ),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        score = case.importance[case.brain].cpu().numpy()
        return {"gini": gini(score), "entropy": entropy(score)}


def _measure(name: str, title: str, help: str) -> Measure:
    return Measure(name=name, unit="", direction=None, help=help, title=title, family="complexity")


def _checked(score: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(score, dtype=np.float64).ravel()
    if not bool((values >= 0).all()):
        raise ValueError(f"importance must be at least 0, got {int((~(values >= 0)).sum())} values that are not")
    return values
