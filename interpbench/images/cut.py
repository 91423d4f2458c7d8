"""Maps restricted to the brain: 0 outside it on the network's grid and on the image's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.doubts import OUTSIDE, Doubt
from interpbench.images.brain import fill_holes
from interpbench.images.prepared import Prepared

MUCH = 0.10  # of a map's mass outside the brain, above which there is a doubt


@dataclass(frozen=True, eq=False)
class BrainCut:
    """A subject's brain on both grids: a byte per voxel of the network's and a bit per voxel of the image's."""

    brain: Tensor  # (I, J, K) bool, on the network's grid
    shape: tuple[int, ...]  # of the image's grid
    packed: NDArray[np.uint8] | None  # the brain there, eight voxels a byte; None where nothing is cut

    @classmethod
    def of(cls, prepared: Prepared, *, whole: bool = False) -> Self:
        """The brain of a prepared image.

        Args:
            whole: whether maps are left as they are.
        """
        shape = tuple(prepared.inside.shape)
        if whole:
            return cls(prepared.brain, shape, None)
        inside = fill_holes(prepared.inside) if prepared.holes else prepared.inside
        return cls(prepared.brain, shape, np.packbits(inside.numpy()))

    @property
    def whole(self) -> bool:
        """Whether maps are kept unchanged outside the brain."""
        return self.packed is None

    def on_network_grid(self, map: Tensor) -> Tensor:
        """A map `(I, J, K)` with 0 outside the brain."""
        return map if self.packed is None else torch.where(self.brain, map, 0.0)

    def way_back(self, map: Tensor, prepared: Prepared) -> NDArray[np.float32]:
        """A map `(I, J, K)` of the network's grid resampled to the image's grid, 0 outside the brain.

        Args:
            prepared: of the image; its voxels are not needed.
        """
        back = prepared.to_source_grid(self.on_network_grid(map))
        if self.packed is None:
            return back
        inside = np.unpackbits(self.packed, count=back.size).view(bool).reshape(self.shape)
        return np.where(inside, back, np.float32(0))  # interpolation spreads a little beyond

    def share_outside(self, map: Tensor) -> float:
        """The share of `|map|` outside the brain, for a map `(I, J, K)` of a method; NaN for a map of zeros."""
        size = map.abs().double()
        return float(size[~self.brain].sum() / size.sum())

    def nothing_left(self, map: Tensor) -> str:
        """Where a map `(I, J, K)` without information is zero; empty if the map has information."""
        if not bool(map.any()):
            return "everywhere"
        if not bool(self.on_network_grid(map).any()):
            return "everywhere in the brain, and values outside are removed (--whole keeps them)"
        return ""

    def doubt(self, share: float) -> Doubt | None:
        """A warning about the share of a map that lies outside the brain; None if the share is small."""
        if not share > MUCH:  # nor of a map of zeros, whose share is NaN
            return None
        what = "lies outside the brain" if self.whole else "lay outside the brain and was removed (--whole keeps it)"
        return Doubt(f"{share:.0%} of the map's mass (sum of magnitudes) {what}", OUTSIDE)
