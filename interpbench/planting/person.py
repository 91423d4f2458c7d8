"""One person's image with everything planted in it, and where it was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interpbench.planting.geometry import Array, Inside
from interpbench.planting.kind import Effect
from interpbench.planting.tissue import Tissue


@dataclass(frozen=True, eq=False)
class Planted:
    """An image after planting.

    Attributes:
        values: `(I, J, K)` float32; what the image held wherever neither mask is True.
        truth: the voxels that the target's signal changed.
        others: the voxels that distractors and suppressors changed.
        overlap: number of voxels where one of these would have changed the truth, or each other, and did not.
    """

    values: Array
    truth: Inside
    others: Inside
    overlap: int


def planted(tissue: Tissue, main: Effect, others: Sequence[Effect], strengths: Sequence[float],
            amounts: Sequence[float]) -> Planted:  # fmt: skip
    """Plant every effect in an image, each where it is noticeable and no earlier one is.

    Args:
        main: the target's.
        others: those of distractors and suppressors.
        strengths, amounts: of the main effect, then of each other.
    """
    values, taken = tissue.values.copy(), np.zeros(tissue.brain.shape, dtype=bool)
    masks = [np.zeros(tissue.brain.shape, dtype=bool) for _ in range(2)]
    overlap = 0
    for number, effect in enumerate((main, *others)):
        window = effect.window
        may = effect.noticeable(strengths[number])
        overlap += int((may & taken[window]).sum())
        may &= ~taken[window]
        found = effect.values(amounts[number], strengths[number])
        mask = masks[min(number, 1)][window]
        changed = may & (found != tissue.values[window])
        mask |= changed
        values[window][changed] = found[changed]
        taken[window] |= may
    return Planted(values, masks[0], masks[1], overlap)


def difference(tissue: Tissue, main: Effect, strength: float, amount: float) -> Array:
    """|change per SD| by counterfactual: the same person at one SD more and one SD less, as far as the bounds go."""
    found = np.zeros(tissue.brain.shape, dtype=np.float32)
    low, high = max(amount - 1, -main.bound), min(amount + 1, main.bound)
    change = np.abs(main.values(high, strength) - main.values(low, strength)) / np.float32(high - low)
    found[main.window] = np.where(main.noticeable(strength), change, 0)
    return found


def figures(main: Effect, strength: float) -> Mapping[str, float]:
    """What the strength means in this person, by name."""
    return {name: round(value, 6) for name, value in main.figures(strength).items()}
