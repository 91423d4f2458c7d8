"""Does a map point at where the truth is?

The functions take any voxels; the metric gives them those inside the brain M, `a = |map[brain]|` and
`S = truth[brain]`. Equal voxels have no order, so no figure depends on how a sort happens to leave them. Where there is
no truth, the answer is NaN, never a hit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from interpbench import Case, Measure, Metric, NotApplicable, check_options, option
from interpbench.kit import auc

NAN = float("nan")
LIMITS = (
    "Localisation compares maps with a ground truth of the images, not of the network. If the network uses only a part"
    " of it, a correct map of that part gets lower figures."
)
NO_DISTRACTORS = "no distractors are known"


def average_precision(score: ArrayLike, truth: ArrayLike) -> float:
    """The area below the curve of precision over recall, as a sum of steps.

    `AP = sum_k (R_k - R_(k-1)) P_k` over the distinct scores from the highest down, where `P_k` and `R_k` are the share
    of truth among the voxels of at least that score, and the share of the truth found there. Chance is the share of
    truth among all voxels. A tie is one step, as scikit-learn has it.

    Returns:
        0 to 1; NaN where the truth is empty.
    """
    values, inside = _checked(score, truth)
    n = int(inside.sum())
    if n == 0:
        return NAN
    order = np.argsort(-values)
    falling = values[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), values.size - 1)  # the last voxel of each tie
    found = np.cumsum(inside[order])[ends]
    recall = found / n
    return float(np.sum(np.diff(recall, prepend=0.0) * found / (ends + 1)))


def relevance_mass(score: ArrayLike, truth: ArrayLike) -> float:
    """The share of all importance that lies on the truth, `sum_S a / sum_M a` (Arras et al. 2022, eq. 1).

    Args:
        score: at least 0.

    Returns:
        0 to 1; NaN where the truth is empty or nothing is important. Chance is `|S| / |M|`.
    """
    values, inside = _checked(score, truth)
    total = float(values.sum())
    return float(values[inside].sum()) / total if inside.any() and total > 0 else NAN


def relevance_rank(score: ArrayLike, truth: ArrayLike) -> float:
    """The share of the truth among the `|S|` highest voxels, `|top-|S| & S| / |S|` (Arras et al. 2022, eq. 2).

    Where a tie lies across the border of those `|S|`, its places go to the tie's truth in proportion: what a random
    order gives on average.

    Returns:
        0 to 1; NaN where the truth is empty. Chance is `|S| / |M|`.
    """
    values, inside = _checked(score, truth)
    n = int(inside.sum())
    if n == 0:
        return NAN
    border = np.partition(values, values.size - n)[values.size - n]
    above, tied = values > border, values == border
    places = n - int(above.sum())  # that are left for the tied
    hits = int((above & inside).sum()) + places * int((tied & inside).sum()) / int(tied.sum())
    return float(hits / n)


def distractor_mass_ratio(score: ArrayLike, distractors: ArrayLike, truth: ArrayLike) -> float:
    """The share of the importance outside the truth that lies on the distractors, over their share of those voxels.

    `(sum_D a / sum_(M less S) a) / (|D| / |M less S|)`, D without the truth S. All importance on the truth gives 0.

    Args:
        score: at least 0.

    Returns:
        0 or more, chance is 1; NaN where there are no distractors outside the truth, or nothing is important.
    """
    values, inside = _checked(score, truth)
    others = np.asarray(distractors).ravel()[~inside] != 0
    if not others.any() or not values.sum() > 0:
        return NAN
    total = float(values[~inside].sum())
    return float(values[~inside][others].sum()) / total / float(others.mean()) if total > 0 else 0.0


def pointing_game(score: ArrayLike, near: ArrayLike) -> float:
    """Whether the highest voxel is a hit (Zhang et al. 2018); of several highest, the share that are.

    Args:
        near: not 0 where it is a hit, as `near_to` has it.

    Returns:
        0 to 1; NaN where nothing can be a hit.
    """
    values, inside = _checked(score, near)
    return float(inside[values == values.max()].mean()) if inside.any() else NAN


def near_to(truth: ArrayLike, tolerance: float, voxel_size: float) -> NDArray[np.bool_]:
    """Voxels whose centre is at most `tolerance` mm from the centre of a voxel of the truth.

    Args:
        truth: `(I, J, K)`, not 0 where the truth is.
        voxel_size: mm.

    Returns:
        `(I, J, K)`; nowhere, where there is no truth.
    """
    inside: NDArray[np.bool_] = np.asarray(truth) != 0
    if not inside.any():
        return inside
    near: NDArray[np.bool_] = distance_transform_edt(~inside, sampling=voxel_size) <= tolerance
    return near


def mass_outside(map: ArrayLike, brain: ArrayLike) -> float:
    """The share of `|map|` that lies outside the brain; NaN where the map is zero everywhere."""
    values, inside = _checked(map, brain)
    total = float(np.abs(values).sum())
    return float(np.abs(values[~inside]).sum()) / total if total > 0 else NAN


@dataclass(frozen=True, kw_only=True)
class Localisation(Metric):
    """A map against a known truth, inside the brain."""

    tolerance: float = option(
        5.0, "distance from the ground truth that still counts as a hit in the pointing game, in mm", minimum=0
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def measures(self) -> tuple[Measure, ...]:
        hit = f"The most important voxel lies at most {self.tolerance:g} mm from the ground truth"
        return (
            _measure(
                "auc",
                "Points at the truth (AUC)",
                "Probability that a voxel of the ground truth is more important than another brain voxel",
                chance=0.5,
                leads=1,
                question="pointing at the ground truth",
            ),
            _measure(
                "average_precision",
                "Points at the truth (average precision)",
                "Area under the precision-recall curve of the ground truth",
                leads=2,
            ),
            _measure(
                "relevance_mass", "Importance inside the truth", "Share of all importance inside the ground truth"
            ),
            _measure(
                "relevance_mass_ratio",
                "Importance inside the truth (relative to chance)",
                "Share of importance inside the ground truth, relative to its share of the brain",
                chance=1.0,
                leads=3,
            ),
            _measure(
                "relevance_rank",
                "Truth among the most important voxels",
                "Share of the ground truth among as many most important voxels",
            ),
            _measure("pointing_game", "Peak lies at the truth (pointing game)", hit),
            _against(
                "distractor_mass",
                "Importance on distractors",
                "Share of all importance on voxels that vary for reasons unrelated to the target",
            ),
            _against(
                "distractor_mass_ratio",
                "Importance on distractors, relative to chance",
                "The same share of the importance outside the ground truth, relative to their share of those voxels",
                chance=1.0,
            ),
            _against("mass_outside_brain", "Importance outside the brain", "Share of |map| outside the brain"),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float] | NotApplicable]:
        brain = case.brain.cpu().numpy()
        figures: dict[str, float | Sequence[float] | NotApplicable] = {measure.name: NAN for measure in self.measures}
        figures["mass_outside_brain"] = mass_outside(case.map.cpu().numpy(), brain)
        score = case.importance.cpu().numpy()[brain]
        figures |= _on_distractors(case, brain, score)
        if case.truth is None:
            return figures
        truth = case.truth.cpu().numpy() & brain
        if not truth.any() or not score.any():
            return figures
        near = case.once(
            f"voxels near to the truth: {self.tolerance}", lambda: near_to(truth, self.tolerance, case.voxel_size)
        )
        inside = truth[brain]
        mass = relevance_mass(score, inside)
        return figures | {
            "auc": auc(score, inside),
            "average_precision": average_precision(score, inside),
            "relevance_mass": mass,
            "relevance_mass_ratio": mass / float(inside.mean()),
            "relevance_rank": relevance_rank(score, inside),
            "pointing_game": pointing_game(score, near[brain]),
        }


def _on_distractors(case: Case, brain: NDArray[np.bool_], score: NDArray[np.float32]) -> dict[str, Any]:
    """What needs no truth, though voxels of the truth are no distractors where it is known."""
    if case.distractors is None:
        return dict.fromkeys(("distractor_mass", "distractor_mass_ratio"), NotApplicable(NO_DISTRACTORS))
    truth = np.zeros_like(brain) if case.truth is None else case.truth.cpu().numpy()
    distractors = (case.distractors.cpu().numpy() & ~truth)[brain]
    return {
        "distractor_mass": relevance_mass(score, distractors),
        "distractor_mass_ratio": distractor_mass_ratio(score, distractors, truth[brain]),
    }


def _against(name: str, title: str, help: str, **other: Any) -> Measure:
    """One of what should not be important, which needs no truth."""
    return Measure(
        name=name, unit="", direction="lower", help=help, title=title, family="localisation", limits=LIMITS, **other
    )


def _measure(name: str, title: str, help: str, **other: Any) -> Measure:
    """One that compares with the truth."""
    return Measure(
        name=name,
        unit="",
        direction="higher",
        help=help,
        title=title,
        family="localisation",
        needs_truth=True,
        limits=LIMITS,
        **other,
    )


def _checked(score: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, inside = np.asarray(score, dtype=np.float64), np.asarray(truth) != 0
    if values.shape != inside.shape:
        raise ValueError(f"score and truth must have one shape, got {values.shape} and {inside.shape}")
    if np.isnan(values).any():
        raise ValueError(f"score holds {int(np.isnan(values).sum())} values that are NaN, which have no rank")
    return values.ravel(), inside.ravel()
