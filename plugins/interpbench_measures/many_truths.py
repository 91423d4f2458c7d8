"""How well one map finds many truths at once: it is ranked once, and each truth costs as much as it has voxels.

The figures are those of `auc` and `average_precision` for each truth alone. Equal voxels share the mean of their ranks,
and count as one step of the curve of precision over recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ManyTruths:
    """Several truths among the same voxels: the places of each one's voxels, one truth after the other."""

    voxels: int  # among which all of them lie
    places: NDArray[np.int64]  # (sum of sizes,)
    sizes: NDArray[np.int64]  # (T,), each from 1 to voxels - 1

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.bool_]]) -> ManyTruths:
        """From masks `(voxels,)`, none of them empty or full."""
        places = [np.flatnonzero(mask) for mask in masks]
        return cls(masks[0].size, np.concatenate(places), np.array([len(one) for one in places]))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each truth begins in `places`."""
        found: NDArray[np.int64] = np.cumsum(self.sizes) - self.sizes
        return found

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Which truth each of `places` belongs to, from 0."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def blocks(self) -> NDArray[np.integer]:
        """For each of `places` a number that is above all keys of the truths before it; short ones sort faster."""
        width = self.voxels + 1
        kind = np.int32 if len(self.sizes) * width < 2**31 else np.int64
        return (self.owners * width).astype(kind)


@dataclass(frozen=True, eq=False)
class Ranking:
    """The order of a map's voxels, `(voxels,)`."""

    ranks: NDArray[np.float64]  # from 1 for the lowest; equal ones share the mean
    reached: NDArray[np.int64]  # how many voxels are as high or higher

    @classmethod
    def of(cls, score: NDArray[np.floating]) -> Ranking:
        """From a map `(voxels,)` without NaN."""
        _, place, count = np.unique(score, return_inverse=True, return_counts=True)
        last = np.cumsum(count)
        return cls((last - (count - 1) / 2)[place], (score.size - last + count)[place])

    def aucs(self, truths: ManyTruths) -> NDArray[np.float64]:
        """The area below the ROC curve of each truth, `(T,)`.

        `(R - n (n + 1) / 2) / (n (voxels - n))` with the rank sum R of the truth's n voxels (Mann and Whitney 1947).
        Rank sums are exact, so two truths that are found equally well have equal areas.
        """
        sizes = truths.sizes.astype(np.float64)
        sums = np.add.reduceat(self.ranks[truths.places], truths.starts)
        found: NDArray[np.float64] = (sums - sizes * (sizes + 1) / 2) / (sizes * (truths.voxels - sizes))
        return found

    def average_precisions(self, truths: ManyTruths) -> NDArray[np.float64]:
        """The average precision of each truth, `(T,)`.

        The mean over a truth's voxels of the precision among all voxels that are as high or higher: the sum of steps
        over distinct values, voxel by voxel.
        """
        blocks = truths.blocks
        keys = np.sort(blocks + self.reached.astype(blocks.dtype)[truths.places])  # within each truth's own block
        ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True))  # the last voxel of each tie within a truth
        owner = truths.owners[ends]
        hits = ends + 1 - truths.starts[owner]
        steps = np.diff(ends, prepend=-1) * hits / (keys[ends] - blocks[ends])
        found: NDArray[np.float64] = np.bincount(owner, steps, len(truths.sizes)) / truths.sizes
        return found
