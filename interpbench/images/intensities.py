"""Warnings about unusual intensities of an image: extreme voxels, noise, an inversion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpbench.doubts import INTENSITIES, Doubt
from interpbench.images.mask_rules import faces_of

SPIKE = 0.02  # of the range within the brain: 99 % of a brain's voxels take more, unless a few drown all others
ALIKE = 0.1  # correlation of neighbours in the brain, below which it is noise; 86 real brains have 0.8 and more
ENOUGH = 10_000  # voxels, to tell noise from a brain


def odd_intensities(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> list[Doubt]:
    """Warnings about the intensities of an image `(I, J, K)` whose brain is `inside`."""
    brain = values[inside]
    if len(brain) < 2:
        return []
    lowest, highest = float(brain.min()), float(brain.max())
    some = brain[:: 1 + len(brain) // 50_000].astype(np.float64)
    low, middle, bright, high = (float(one) for one in np.quantile(some, (0.005, 0.5, 0.95, 0.995)))
    if high - low < SPIKE * (highest - lowest):
        odd = highest if highest - middle > middle - lowest else lowest
        words = (
            f"a few voxels of the brain have extreme intensities, up to {odd:.3g}; all others"
            f" lie from {low:.3g} to {high:.3g}"
        )
        return [Doubt(words, INTENSITIES)]
    doubts = []
    border = np.concatenate(faces_of(values))[~np.concatenate(faces_of(inside))]
    if len(border) and (background := float(np.median(border))) > bright:
        words = f"the background ({background:.3g}) is brighter than the brain ({middle:.3g}): the image seems inverted"
        doubts.append(Doubt(words, INTENSITIES))
    slices = np.s_[:, :, :: 1 + len(brain) // 50_000]  # enough of them
    if len(brain) >= ENOUGH and (alike := _neighbours_alike(values[slices], inside[slices])) < ALIKE:
        words = f"neighbouring voxels of the brain are nearly uncorrelated (correlation {alike:.2f}), as in noise"
        doubts.append(Doubt(words, INTENSITIES))
    return doubts


def _neighbours_alike(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """The correlation of neighbours along I that both lie in the brain; 1 where there are none."""
    both = inside[1:] & inside[:-1]
    first, second = values[1:][both].astype(np.float64), values[:-1][both].astype(np.float64)
    if len(first) < 2 or not first.std() > 0 or not second.std() > 0:
        return 1.0
    return float(np.corrcoef(first, second)[0, 1])
