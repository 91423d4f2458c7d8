"""The grid of hidden boxes, and the conversion of their effects to a map.

Along an axis of n voxels, boxes of edge w start at 0, s, 2s, ..., as many as ceil((n - w) / s) + 1; where they do not
fit evenly the last one is cut off at the volume's end. Captum's `Occlusion` lays its windows so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench import UsageError

Edges = tuple[int, int, int]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class BoxGrid:
    """Boxes of one size that stand at regular distances and cover the volume.

    Args:
        shape: of the volume, `(I, J, K)`.
        box: edges of a box, in voxels.
        stride: from one box to the next, in voxels, at most the box's edge.

    Raises:
        UsageError: a box is larger than the volume.
    """

    shape: Edges
    box: Edges
    stride: Edges

    def __post_init__(self) -> None:
        if any(edge > there for edge, there in zip(self.box, self.shape, strict=True)):
            box, shape = ("x".join(map(str, edges)) for edges in (self.box, self.shape))
            raise UsageError(f"box must fit into the network's grid of {shape} voxels, got {box}.")

    @property
    def spans(self) -> tuple[list[slice], list[slice], list[slice]]:
        """Along each axis, from where to where the boxes reach."""
        first, second, third = map(_spans, self.shape, self.box, self.stride)
        return first, second, third

    @property
    def boxes(self) -> list[Box]:
        """All boxes, those along K fastest."""
        first, second, third = self.spans
        return [(i, j, k) for i in first for j in second for k in third]

    def average(self, effects: Tensor) -> Tensor:
        """For each voxel the mean effect of the boxes that cover it.

        Args:
            effects: `(N,)`, one for each of `boxes`.

        Returns:
            `(I, J, K)`, of the same type.
        """
        return self._spread(effects, [_shares(edge, spans) for edge, spans in zip(self.shape, self.spans, strict=True)])

    def interpolate(self, effects: Tensor) -> Tensor:
        """The effects as values at the boxes' centres, trilinearly between them and constant beyond the outermost.

        Args and result as `average`.
        """
        return self._spread(effects, [_slopes(edge, spans) for edge, spans in zip(self.shape, self.spans, strict=True)])

    def _spread(self, effects: Tensor, weights: list[NDArray[np.float64]]) -> Tensor:
        """Effects times weights `(edge, boxes along it)` of each axis: a box's share in a voxel is their product."""
        grid = effects.reshape([len(spans) for spans in self.spans])
        for one in weights:  # axis by axis: torch.einsum of all four at once takes tens of GB at 140 x 176 x 140
            grid = torch.tensordot(grid, torch.from_numpy(one).to(effects), dims=([0], [1]))
        return grid


def _spans(edge: int, box: int, stride: int) -> list[slice]:
    number = math.ceil((edge - box) / stride) + 1
    return [slice(start, min(start + box, edge)) for start in range(0, number * stride, stride)]


def _shares(edge: int, spans: list[slice]) -> NDArray[np.float64]:
    """One over the number of boxes that cover a voxel, for each of these boxes."""
    covers = np.zeros((edge, len(spans)))
    for index, span in enumerate(spans):
        covers[span, index] = 1
    return np.asarray(covers / covers.sum(axis=1, keepdims=True))


def _slopes(edge: int, spans: list[slice]) -> NDArray[np.float64]:
    """The weights of linear interpolation between the boxes' centres."""
    centres = [(span.start + span.stop - 1) / 2 for span in spans]
    places = np.arange(edge)
    return np.stack([np.interp(places, centres, unit) for unit in np.eye(len(spans))], axis=1)
