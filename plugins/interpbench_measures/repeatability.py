"""Does the same method give the same map twice, with another seed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from interpbench import Case, Measure, Metric, NotApplicable, check_options, option
from interpbench_measures.region_deletion import region_means
from interpbench_measures.regions import regions_of
from interpbench_measures.similarity import spearman

NAN = float("nan")


def icc(ratings: ArrayLike) -> float:
    """The intraclass correlation ICC(2,1): two-way random effects, absolute agreement, one rating.

    `ICC(2,1) = (BMS - EMS) / (BMS + (k - 1) EMS + k (JMS - EMS) / n)` with the mean squares between the n targets
    (BMS), between the k raters (JMS) and of the residual (EMS) (Shrout and Fleiss 1979). Absolute: a map that comes out
    twice as strong does not agree.

    Args:
        ratings: `(n, k)`, n targets by k raters.

    Returns:
        At most 1; NaN for fewer than two targets or raters, and where nothing varies.
    """
    values = np.asarray(ratings, dtype=np.float64)
    n, k = values.shape
    if n < 2 or k < 2:
        return NAN
    mean, targets, raters = values.mean(), values.mean(axis=1), values.mean(axis=0)
    between = k * float(((targets - mean) ** 2).sum()) / (n - 1)
    judges = n * float(((raters - mean) ** 2).sum()) / (k - 1)
    residual = values - targets[:, None] - raters[None] + mean
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    variance = between + (k - 1) * error + k * (judges - error) / n
    return (between - error) / variance if variance > 0 else NAN


@dataclass(frozen=True, kw_only=True)
class Repeatability(Metric):
    """Two maps of one subject by one method, under two seeds; `|map|` inside the brain."""

    repeats: ClassVar[bool] = True

    edge: float = option(20.0, "edge length of cubic regions if no atlas is given, in mm", above=0)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def measures(self) -> tuple[Measure, ...]:
        rank = "Rank correlation of maps with two seeds; 1 by construction for methods without a seed"
        regions = (
            "ICC(2,1) of the regions' mean importance with two seeds; 1 by construction for methods without a seed"
        )
        return (
            Measure(
                name="repeat_spearman",
                unit="",
                direction="higher",
                help=rank,
                family="robustness",
                question="the same map with another seed",
                leads=1,
            ),
            Measure(name="repeat_icc", unit="", direction="higher", help=regions, family="robustness", leads=2),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        first, second = case.importance, case.explain(seed=case.run_seed + 1).abs() * case.brain
        rank = spearman(first.cpu().numpy(), second.cpu().numpy(), case.brain.cpu().numpy())
        return {"repeat_spearman": rank, "repeat_icc": self._icc(case, first, second)}

    def _icc(self, case: Case, first: Tensor, second: Tensor) -> float:
        try:
            regions = regions_of(case, self.edge)
        except NotApplicable:  # fewer than two regions; the voxels can be compared all the same
            return NAN
        means = torch.stack([region_means(map, regions) for map in (first, second)], dim=1)  # (regions, 2)
        return icc(means.cpu().numpy())
