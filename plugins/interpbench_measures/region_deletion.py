"""Deletion by whole regions: what is one structure goes at once.

Networks read structures, and a structure with a few holes can still be read; a region that is gone cannot. Regions go
by their mean importance, one after the other. The curves are those of `deletion`, over the share of the voxels in
regions that are gone; as regions differ in size, D is taken where a whole region reaches the step, and the curve
between those points is a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, NotApplicable, check_options, option
from interpbench.kit import UNIT
from interpbench_measures.deletion import LEADING, LIMITS, STEPS, check_steps, symmetric_relevance_gain
from interpbench_measures.imputers import IMPUTERS, SHORT, WORDS, check_imputers, impute
from interpbench_measures.ordering import check_not_flat, places
from interpbench_measures.regions import regions_of

GAIN = "extra change of the prediction if important regions are hidden first, not last (area between curves)"


def region_means(importance: Tensor, regions: Tensor) -> Tensor:
    """The mean importance of regions 1 to R, `(R,)` float32; summed in float64, so that equal ones stay equal."""
    labels = regions.flatten()
    sums = torch.bincount(labels, weights=importance.flatten().double())[1:]
    return (sums / torch.bincount(labels)[1:]).float()


def removals(place: Tensor, sizes: Tensor, steps: Sequence[float]) -> tuple[list[int], list[float]]:
    """The number of regions to hide for each step, and the share of voxels hidden then.

    Args:
        place: of each region in the order of removal, `(R,)`.
        sizes: voxels of each, `(R,)`.
        steps: percent.

    Returns:
        Numbers of regions that rise, and percent; a number that serves several steps is there once.
    """
    in_order = torch.empty_like(sizes)
    in_order[place] = sizes
    shares = (100 * in_order.cumsum(0).double() / sizes.sum()).tolist()
    reached = (next((at for at, share in enumerate(shares) if share >= step - 1e-9), len(shares) - 1) for step in steps)
    numbers = sorted({at + 1 for at in reached})
    return numbers, [shares[number - 1] for number in numbers]


def hidden_regions(place: Tensor, regions: Tensor, most: Sequence[int], least: Sequence[int]) -> Tensor:
    """The voxels of the first regions in the order of importance, for each number, then of the last.

    Args:
        place: of each region in the order, 0 for the most important, `(R,)`.
        regions: `(I, J, K)`, 1 to R; voxels of 0 are never hidden.
        most, least: numbers of regions.

    Returns:
        `(len(most) + len(least), I, J, K)` bool.
    """
    grid = torch.cat([place.new_tensor([len(place)]), place])[regions]
    first = [grid < number for number in most]
    last = [(grid >= len(place) - number) & (regions > 0) for number in least]
    return torch.stack(first + last)


@dataclass(frozen=True, kw_only=True)
class RegionDeletion(Metric):
    """Hide whole regions, the most or the least important first, and compare what the prediction does."""

    imputers: tuple[str, ...] = option(("zero",), f"imputers that replace hidden regions, some of {','.join(IMPUTERS)}")
    edge: float = option(20.0, "edge length of cubic regions if no atlas is given, in mm", above=0)
    steps: tuple[float, ...] = option(STEPS, "percentages of the voxels in regions to hide, increasing from 0")
    blur: float = option(12.0, "SD of the Gaussian for the imputer blur, in mm", above=0)

    def __post_init__(self) -> None:
        check_options(self)
        check_imputers(self.imputers, "RegionDeletion")
        check_steps(self.steps, "RegionDeletion")

    @property
    def measures(self) -> tuple[Measure, ...]:
        found = []
        for name in self.imputers:
            how = f"hidden regions hold {WORDS[name]}"
            found += [
                Measure(
                    name=f"region_srg_{name}",
                    unit=UNIT,
                    direction="higher",
                    chance=0.0,
                    help=f"{GAIN}; {how}",
                    title=f"Prediction changes in regions where the map says ({SHORT[name]})",
                    family="faithfulness",
                    question="deletion, region by region",
                    limits=LIMITS,
                    leads=1 + LEADING.index(name),
                ),
                *self._curves(name, f"change of the prediction, {{}} relevant regions first; {how}"),
            ]
        return tuple(found)

    def _curves(self, imputer: str, help: str) -> list[Measure]:
        """Two curves on one axis: the most relevant regions first, and the least relevant first."""
        return [
            Measure(
                name=f"region_{order}_{imputer}",
                unit=UNIT,
                direction=None,
                help=help.format(first),
                title=f"Change, {first} important regions first ({SHORT[imputer]})",
                steps=self.steps,
                steps_name="brain in hidden regions (%)",
                family="faithfulness",
                axis=imputer,
            )
            for order, first in (("morf", "most"), ("lerf", "least"))
        ]

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        check_not_flat(case.importance[case.brain])
        regions = regions_of(case, self.edge)
        means = region_means(case.importance, regions)
        check_not_flat(means)
        place = places(means, case.generator("ties of regions"))
        sizes = torch.bincount(regions.flatten())[1:]
        most, shares_most = removals(place, sizes, self.steps[1:])
        least, shares_least = removals(len(place) - 1 - place, sizes, self.steps[1:])
        hidden = hidden_regions(place, regions, most, least)
        figures: dict[str, float | Sequence[float]] = {}
        for name in self.imputers:
            try:
                predictions = case.predict(impute(case, hidden, name, blur=self.blur)).tolist()
            except NotApplicable:
                predictions = [math.nan] * len(hidden)
            changes = [abs(prediction - case.prediction) for prediction in predictions]
            morf = self._at_steps(shares_most, changes[: len(most)])
            lerf = self._at_steps(shares_least, changes[len(most) :])
            figures[f"region_srg_{name}"] = symmetric_relevance_gain(self.steps, morf, lerf)
            figures |= {f"region_morf_{name}": morf, f"region_lerf_{name}": lerf}
        return figures

    def _at_steps(self, shares: list[float], changes: list[float]) -> list[float]:
        """D at the steps, from D where whole regions are gone; 0 where nothing is."""
        found: list[float] = np.interp(self.steps, [0.0, *shares], [0.0, *changes]).tolist()
        return found
