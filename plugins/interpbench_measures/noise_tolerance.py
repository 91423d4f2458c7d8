"""Noise tolerance: the same amount of noise for every map, put where the map says that nothing is read.

A map that knows where the network reads keeps the noise away from there, and the prediction stays. Any map can take
the test. With `u` the rank of a voxel's unimportance, 1 for the most and N for the least important one, equally
important ones sharing their mean rank, voxel i gets Gaussian noise of variance

    sigma_i^2 = E s^2 (2 u_i - 1) / N,        mean over the brain: E s^2, whatever the map (s: the brain's SD).

Only the map's order counts, as methods' scales cannot be compared. The variance falls in a straight line with the
rank, which is the mean over all cuts c of "as much in each of the c % least important voxels": no cut is chosen.
No noise at all, or the noise a method was trained with, plays no part.

Noise comes in antithetic pairs, +e and -e, and is measured twice. `noise_tolerance` is how far the prediction moves.
`noise_spread` is half the difference between the predictions of a pair: what the noise itself changed, without the
shift that both have in common. A network of rectifiers answers noise anywhere with such a shift, much the same for
every subject; it can be larger than all else, and it is no sign of being read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, UsageError, check_options, option
from interpbench.kit import UNIT
from interpbench_measures.ordering import check_not_flat, on_grid, shared_ranks

LIMITS = (
    "noise_tolerance is close to the training objective of a noise mask. For a fitted method of that kind"
    " ({learned} needed fitting) a good result shows that training worked; it is not independent evidence."
)


def variance_by_rank(importance: Tensor, energy: float) -> Tensor:
    """How much noise each voxel gets: most where the map is lowest, and `energy` on average.

    Args:
        importance: of the brain's voxels, `(N,)`.
        energy: mean variance.

    Returns:
        `(N,)` float64; sums up to `N * energy`.
    """
    return energy * (2 * shared_ranks(-importance) - 1) / len(importance)


@dataclass(frozen=True, kw_only=True)
class NoiseTolerance(Metric):
    """Put noise where the map says unimportant, and see how far the prediction moves."""

    energies: tuple[float, ...] = option(
        (0.01, 0.04, 0.16, 0.64), "mean variances of the noise over brain voxels, in variances of the image"
    )
    pairs: int = option(2, "number of antithetic pairs of noise samples for each energy", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)
        if not self.energies or not all(energy > 0 for energy in self.energies) or not _rises(self.energies):
            got = ",".join(f"{energy:g}" for energy in self.energies)
            raise UsageError(f"energies of NoiseTolerance must be above 0 and increase, got {got!r}.")

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (
            Measure(
                name="noise_tolerance",
                unit=UNIT,
                direction="lower",
                help="change of the prediction by noise at unimportant voxels, mean over energies",
                title="Change by noise at unimportant voxels",
                family="faithfulness",
                question="noise at unimportant voxels",
                limits=LIMITS,
                leads=1,
            ),
            Measure(
                name="noise_spread",
                unit=UNIT,
                direction="lower",
                help="noise tolerance without the shift that a noise sample and its negative share",
                title="Spread by noise at unimportant voxels",
                family="faithfulness",
                limits=LIMITS,
            ),
            self._curve(
                "noise_error",
                "Change by noise, over its energy",
                "change of the prediction by noise at unimportant voxels",
            ),
            self._curve(
                "noise_added_error",
                "Added error by noise, over its energy",
                "added absolute error by noise at unimportant voxels",
            ),
        )

    def _curve(self, name: str, title: str, help: str) -> Measure:
        return Measure(
            name=name,
            unit=UNIT,
            direction=None,
            help=help,
            title=title,
            family="faithfulness",
            steps=self.energies,
            steps_name="mean variance of the noise (variances of the image)",
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        importance = case.importance[case.brain]
        check_not_flat(importance)
        spread = case.volume[0][case.brain].std(correction=0)
        scale = on_grid(variance_by_rank(importance, 1.0).sqrt().float() * spread, case.brain, 0.0)
        noise = scale * self._standard_normal(case)  # (pairs, 1, I, J, K)
        rows = [case.volume + sign * energy**0.5 * noise for energy in self.energies for sign in (1, -1)]
        predictions = case.predict(torch.cat(rows)).reshape(len(self.energies), 2, self.pairs)
        change = (predictions - case.prediction).abs().mean(dim=(1, 2))
        apart = (predictions[:, 0] - predictions[:, 1]).abs().mean(dim=1) / 2
        added = (predictions - case.target).abs().mean(dim=(1, 2)) - abs(case.prediction - case.target)
        return {
            "noise_tolerance": float(change.mean()),
            "noise_spread": float(apart.mean()),
            "noise_error": change.tolist(),
            "noise_added_error": added.tolist(),
        }

    def _standard_normal(self, case: Case) -> Tensor:
        """The same noise for every method and energy, `(pairs, 1, I, J, K)`."""

        def make() -> Tensor:
            shape = (self.pairs, *case.volume.shape)
            return torch.randn(shape, generator=case.generator("noise tolerance")).to(case.volume.device)

        noise: Tensor = case.once(f"noise tolerance {self.pairs}", make)
        return noise


def _rises(values: Sequence[float]) -> bool:
    return all(first < second for first, second in pairwise(values))
