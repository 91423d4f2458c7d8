"""What a linear reader sees of images: means over blocks of a common grid, or over each person's own labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpbench.planting.geometry import Array, Inside, places_in
from interpbench.planting.tissue import Tissue, level_of

BLOCK = 8.0  # mm
ALIKE = 0.8  # Dice of a brain with the cohort's, in blocks, from which on images share a space
HALF = 0.5
_OFFSET, _SPAN = 2**15, 2**16
Keys = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parcels:
    """The parcels of one brain.

    Attributes:
        keys: `(P,)`, what each parcel is called in every person.
        place: `(n,)`, the parcel of each brain voxel.
        size: `(P,)`, its number of voxels.
    """

    keys: Keys
    place: NDArray[np.int_]
    size: NDArray[np.int_]

    def means(self, values: Array, tissue: Tissue) -> NDArray[np.float32]:
        """The mean of each parcel over the brain's median, `(P,)`, both above the background; 0 outside the brain."""
        inside = values[tissue.brain]
        level = level_of(inside, tissue.background)
        total = np.bincount(self.place, weights=inside - tissue.background, minlength=len(self.keys))
        return np.asarray(total / self.size / level, dtype=np.float32)

    def touched(self, mask: Inside, brain: Inside) -> Keys:
        """The keys of parcels that hold a voxel of a mask."""
        return self.keys[np.unique(self.place[mask[brain]])]


def blocks_of(tissue: Tissue) -> Parcels:
    """The blocks of `BLOCK` mm of the world in which brain lies; a block's size counts voxels outside the brain too."""
    shape = tissue.brain.shape
    places = places_in((slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])), tissue.affine)
    index = np.floor(places / BLOCK + 1e-6).astype(np.int64)
    first = index.reshape(3, -1).min(axis=1)
    edges = index.reshape(3, -1).max(axis=1) - first + 1
    flat = np.ravel_multi_index(tuple(index - first[:, None, None, None]), tuple(edges))
    sizes = np.bincount(flat.ravel(), minlength=int(np.prod(edges)))
    inside = flat[tissue.brain]
    used = np.flatnonzero(np.bincount(inside, minlength=len(sizes)))
    where = np.zeros(len(sizes), dtype=np.int64)
    where[used] = np.arange(len(used))
    triples = np.stack(np.unravel_index(used, tuple(edges))) + first[:, None] + _OFFSET
    return Parcels((triples[0] * _SPAN + triples[1]) * _SPAN + triples[2], where[inside], sizes[used])


def labels_of(tissue: Tissue, labels: NDArray[np.int64]) -> Parcels:
    """The regions of a person's own label image; 0 is a region too."""
    keys, place, size = np.unique(labels[tissue.brain], return_inverse=True, return_counts=True)
    return Parcels(keys, place.ravel(), size)


def share_space(brains: Sequence[Keys]) -> bool:
    """Whether brains, each as the blocks that it fills by half or more, lie in the same place.

    The measure is the median Dice coefficient with the blocks that most of them fill.
    """
    keys, counts = np.unique(np.concatenate(brains), return_counts=True)
    common = keys[counts >= HALF * len(brains)]
    dice = [2 * len(np.intersect1d(one, common)) / max(1, len(one) + len(common)) for one in brains]
    return bool(np.median(dice) >= ALIKE)


def filled(parcels: Parcels) -> Keys:
    """The blocks that a brain fills by half or more."""
    return parcels.keys[np.bincount(parcels.place, minlength=len(parcels.keys)) >= HALF * parcels.size]


def common_keys(keys: Sequence[Keys]) -> Keys:
    """The parcels that at least half of the people have."""
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    return np.asarray(found[counts >= HALF * len(keys)])


def matrix_of(keys: Keys, rows: Sequence[tuple[Keys, NDArray[np.float32]]]) -> NDArray[np.float64]:
    """People by parcels, `(N, P)`; 0 where a person does not have one."""
    found = np.zeros((len(rows), len(keys)))
    for number, (own, means) in enumerate(rows):
        _, here, there = np.intersect1d(keys, own, assume_unique=True, return_indices=True)
        found[number, here] = means[there]
    return found


def around(touched: Keys) -> Keys:
    """Blocks, with their 26 neighbours."""
    steps = np.array([(i * _SPAN + j) * _SPAN + k for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    return np.unique(touched[:, None] + steps)
