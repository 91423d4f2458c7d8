"""An image as the network sees it, and the way back for a map."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interpbench.images.grid import move, share_lattice
from interpbench.images.peaks import move_peaks
from interpbench.images.volume import Volume


@dataclass(frozen=True, eq=False)
class Prepared:
    """One image on the network's grid, and the way back.

    Args:
        volume: `(1, I, J, K)` float32, normalised.
        brain: `(I, J, K)` bool.
        affine: `(4, 4)` of the network's grid.
        source: the image as it was read.
        inside: what counts as brain on the file's own grid, `(I, J, K)` bool.
        holes: whether what is shut in by `inside` is brain as well, as it is in `brain`.
        warnings: sentences for whoever reads the result.
    """

    volume: Tensor
    brain: Tensor
    affine: NDArray[np.float64]
    source: Volume
    inside: Tensor
    holes: bool = False
    warnings: tuple[str, ...] = ()

    def to_source_grid(self, map: Tensor | ArrayLike) -> NDArray[np.float32]:
        """Bring a map `(I, J, K)` from the network's grid to the file's own, 0 outside the box; exact where it can be.

        Along axes on which the file's voxels are larger, each takes the largest magnitude of those it covers.

        Raises:
            ValueError: the map is not of the network's shape.
        """
        values = _float_map(map, tuple(self.brain.shape), "the network's grid")
        shape = tuple(self.source.data.shape[1:])
        return np.asarray(move_peaks(values, self.affine, self.source.affine, shape).numpy())

    @property
    def exact(self) -> bool:
        """Whether both grids share a lattice, so that a map goes from one to the other bit by bit."""
        return share_lattice(self.affine, self.source.affine, tuple(self.source.data.shape[1:]))

    def to_network_grid(self, map: Tensor | ArrayLike) -> Tensor:
        """Bring a map from the file's own grid to the network's `(I, J, K)`, as the image went, not normalised.

        Raises:
            ValueError: the map is not of the file's shape.
        """
        values = _float_map(map, tuple(self.source.data.shape[1:]), f"the grid of {self.source.path}")
        return move(values, self.source.affine, self.affine, tuple(self.brain.shape))

    def without_voxels(self) -> Self:
        """The same grids, header and warnings, which is all that the way back asks for; every voxel is 0.

        It takes no memory to speak of, where the image itself may be many times as large as what the network sees.
        """
        source = dataclasses.replace(self.source, data=_hollow(self.source.data))
        return dataclasses.replace(
            self, volume=_hollow(self.volume), brain=_hollow(self.brain), source=source, inside=_hollow(self.inside)
        )


def _hollow(voxels: Tensor) -> Tensor:
    """Zeros of the same shape and type, all of them one in memory."""
    return voxels.new_zeros(()).expand(voxels.shape)


def _float_map(map: Tensor | ArrayLike, shape: tuple[int, ...], place: str) -> Tensor:
    values = torch.as_tensor(map if isinstance(map, Tensor) else np.ascontiguousarray(map)).detach().cpu().float()
    if tuple(values.shape) != shape:
        raise ValueError(f"a map of shape {tuple(values.shape)} does not fit {place}, shape {shape}")
    return values
