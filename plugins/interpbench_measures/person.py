"""Does a map follow its own person, or the cohort?

A map is compared with its own person's truth and with other people's truths, all inside the brain that they share. What
a map owes to where truths usually lie, it owes to all of them alike. So of one map that is given to everybody, the mean
gain over these people is 0, whatever the map:

    gain_i = A_i - mean_(j != i) A_j,    sum_i gain_i = sum_i A_i - sum_j (n - 1) A_j / (n - 1) = 0

The AUC within the union of all truths has no such zero: there a map of how often each voxel is true is above chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interpbench import Case, Everyone, Measure, Metric, NotApplicable
from interpbench_measures.many_truths import ManyTruths, Ranking

ROUNDING = 1e-6  # maps are float32: deviations below this part of a map are its rounding
LIMITS = (
    "Measures of the person compare a map with the ground truths of several people in the brain that they share. They"
    " do not show that the network uses what differs between people; and people whose ground truths lie in the same"
    " place cannot be distinguished by them."
)


@dataclass(frozen=True, kw_only=True)
class Person(Metric):
    """A map against its own person's truth and other people's truths."""

    compares_people: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            name="person_gain",
            unit="",
            direction="higher",
            title="Points at the own truth more than at others'",
            help="AUC of the person's own ground truth, less the mean AUC of other people's",
            chance=0.0,
            family="person",
            needs_truth=True,
            question="pointing at this person's ground truth more than at other people's",
            limits=LIMITS,
            leads=1,
        ),
        Measure(
            name="person_precision_gain",
            unit="",
            direction="higher",
            title="Precision for the own truth, above others'",
            help="Average precision for the person's own ground truth, less the mean for other people's",
            chance=0.0,
            family="person",
            needs_truth=True,
            limits=LIMITS,
        ),
        Measure(
            name="person_rank",
            unit="",
            direction="higher",
            title="Prefers the own person to another one",
            help="Share of other people whose ground truth the map finds less well than its own person's",
            chance=0.5,
            family="person",
            needs_truth=True,
            limits=LIMITS,
        ),
        Measure(
            name="deviation_correlation",
            unit="",
            direction="higher",
            title="Deviates from the mean as the truth does",
            help="Correlation of the map's deviation from the mean map with the truth's from the mean truth",
            chance=0.0,
            family="person",
            needs_truth=True,
            limits=LIMITS,
        ),
    )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float] | NotApplicable]:
        """Compare the map with everybody's truth.

        Raises:
            NotApplicable: nobody can be compared, or this subject has no truth in the common brain.
        """
        everyone = case.everyone
        if everyone is None:
            raise NotApplicable(case.alone or "nothing is known of other subjects")
        if case.truth is None:
            raise NotApplicable("no ground truth of this subject is known")
        brain = everyone.common_brain.cpu().numpy()
        own = case.truth.cpu().numpy()[brain]
        if own.all() or not own.any():
            where = "all of" if own.all() else "no voxel of"
            raise NotApplicable(f"this subject's ground truth is {where} the brain that all subjects share")
        score = case.importance.cpu().numpy()[brain]
        others = [label for label in everyone.labels if label != case.subject]
        truths = case.once(f"ground truths of {others}", lambda: _truths(own, everyone, others, brain))
        ranking = Ranking.of(score)
        areas, precisions = ranking.aucs(truths), ranking.average_precisions(truths)
        return {
            "person_gain": _gain(areas),
            "person_precision_gain": _gain(precisions),
            "person_rank": float(np.mean(areas[0] > areas[1:]) + np.mean(areas[0] == areas[1:]) / 2),
            "deviation_correlation": _deviation_correlation(score, own, everyone, brain),
        }


def _truths(own: NDArray[np.bool_], everyone: Everyone, others: Sequence[str], brain: NDArray[np.bool_]) -> ManyTruths:
    """The subject's own truth, and then the others'."""
    return ManyTruths.of([own, *[everyone.truth_of(label).cpu().numpy()[brain] for label in others]])


def _gain(figures: NDArray[np.float64]) -> float:
    """The first less the mean of the others."""
    return float(figures[0] - figures[1:].mean())


def _deviation_correlation(
    score: NDArray[np.floating], own: NDArray[np.bool_], everyone: Everyone, brain: NDArray[np.bool_]
) -> float | NotApplicable:
    """Pearson's correlation of `a / sum a - mean map` with `truth - mean truth`; so a louder map is no deviation."""
    map = score.astype(np.float64)
    if not map.any():
        return NotApplicable("the map is zero in the brain that all subjects share")
    map /= map.sum()
    deviation = map - everyone.mean_importance.cpu().numpy()[brain]
    if np.abs(deviation).max() <= ROUNDING * map.max():
        return NotApplicable("the map does not differ from the mean map of all subjects")
    truth = own - everyone.mean_truth.cpu().numpy()[brain]
    return _correlation(deviation, truth)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | NotApplicable:
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first * first).sum() * (second * second).sum())
    if not size > 0:
        return NotApplicable("the ground truth does not differ from the mean of all subjects")
    return float((first * second).sum() / size)
