"""Does the same method give the same map twice, with another seed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, NotApplicable, check_options, option
from interpbench.kit import icc
from interpbench_measures.region_deletion import region_means
from interpbench_measures.regions import regions_of
from interpbench_measures.similarity import spearman

NAN = float("nan")


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
                title="Same map with another seed (rank correlation)",
                family="robustness",
                question="the same map with another seed",
                leads=1,
            ),
            Measure(
                name="repeat_icc",
                unit="",
                direction="higher",
                help=regions,
                title="Same regions with another seed (ICC)",
                family="robustness",
                leads=2,
            ),
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
