"""A map on another grid, its peaks as high as they were and where they were, also where the voxels are larger.

An image is averaged on its way to larger voxels; a map must not be. A single important voxel of 1.5 mm in an image of
6 mm would come back with a sixty-fourth of its height. So a voxel that is larger than the map's takes, of the values
whose places lie in it, the one of largest magnitude, with its sign. Along an axis on which the wanted voxels are not
larger, values are interpolated linearly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.images.grid import Affine, move, share_lattice

_LARGER = 1.01  # times the map's edge, from which on a voxel counts as larger
_ON_A_FACE = 1e-3  # voxels: a place this near to the face between two voxels lies in both
_ALONG = 0.01  # voxels over a whole grid, by which an axis may miss the other grid's and still run along it
_PER_EDGE = 2  # places looked at for each of the map's voxels along the edge of a larger one that lies oblique


def move_peaks(map: Tensor, map_affine: Affine, affine: Affine, shape: Sequence[int]) -> Tensor:
    """Bring a map `(I, J, K)` from one grid to another, 0 where there was none.

    Args:
        map: float32, on a grid of cubic voxels.
        map_affine: of its grid.
        affine: of the grid wanted.
        shape: of the grid wanted.

    Returns:
        `(*shape)` float32. Exact where the grids share a lattice, interpolated where no voxel wanted is larger than the
        map's along any axis, as `grid.move` does both. Else the largest magnitude in each voxel along the axes on which
        it is larger; a place on the face between two voxels counts for both.
    """
    shape = tuple(shape)
    sizes = np.linalg.norm(affine[:3, :3], axis=0) / np.linalg.norm(map_affine[:3, :3], axis=0).mean()
    larger = sizes > _LARGER
    if not larger.any() or share_lattice(map_affine, affine, shape):
        return move(map, map_affine, affine, shape)
    own = _own_axes(map_affine, affine, tuple(map.shape))
    if larger.all():
        found = _Extremes(shape)
        found.add(map, map_affine, affine)
        # Where neither grid's axes run along the other's, a voxel little larger may hold none of the map's places.
        return found.largest() if own is not None else found.largest(move(map, map_affine, affine, shape))
    found = _Extremes(shape)
    if own is not None:
        for between, edges in _between(map, map_affine, affine, shape, larger, own):
            found.add(move(map, map_affine, between, edges), between, affine)
        return found.largest()
    for place in _places_in_voxel(sizes, larger):
        moved = affine.copy()
        moved[:3, 3] += affine[:3, :3] @ place
        found.take(move(map, map_affine, moved, shape))
    found.add(map, map_affine, affine)
    return found.largest()


class _Extremes:
    """The highest value above 0 and the lowest below it that each voxel of a grid has seen."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.high, self.low = torch.zeros(shape), torch.zeros(shape)
        self.seen = torch.zeros(shape, dtype=torch.bool)

    def take(self, values: Tensor) -> None:
        """Take in a value for every voxel."""
        torch.maximum(self.high, values, out=self.high)
        torch.minimum(self.low, values, out=self.low)
        self.seen.fill_(True)

    def add(self, values: Tensor, affine: Affine, own: Affine) -> None:
        """Take in the values of another grid, each in the voxel in which it lies, in two or more on a face.

        Args:
            affine: of the other grid.
            own: of this one.
        """
        flat = values.flatten()
        for place, inside in _voxels_of(tuple(values.shape), np.linalg.inv(own) @ affine, self.shape):
            here = torch.from_numpy(place)
            some = flat[torch.from_numpy(inside)]
            self.high.view(-1).scatter_reduce_(0, here, some, "amax")
            self.low.view(-1).scatter_reduce_(0, here, some, "amin")
            self.seen.view(-1)[here] = True

    def largest(self, otherwise: Tensor | None = None) -> Tensor:
        """Of both the one of larger magnitude; above 0 where they are equal. `otherwise` where nothing was seen."""
        found = torch.where(self.high >= -self.low, self.high, self.low)
        return found if otherwise is None else torch.where(self.seen, found, otherwise)


def _voxels_of(
    shape: tuple[int, ...], between: Affine, wanted: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """In which voxels of the grid wanted the places of another lie.

    Args:
        shape: of the other grid.
        between: its index to the index wanted.

    Yields:
        The flat index of each place that lies in the grid wanted, and which places these are, `(I * J * K,)`. More than
        once where places lie on faces.
    """
    index = np.ogrid[tuple(slice(edge) for edge in shape)]
    sides = []
    for row, offset in zip(between[:3, :3], between[:3, 3], strict=True):
        place = sum((step * along for step, along in zip(row, index, strict=True)), np.full(shape, offset)).ravel()
        first, last = (
            np.ceil(place - 0.5 - _ON_A_FACE).astype(np.int32),
            np.floor(place + 0.5 + _ON_A_FACE).astype(np.int32),
        )
        sides.append([first] if np.array_equal(first, last) else [first, last])
    for choice in itertools.product(*sides):
        inside = np.ones(len(choice[0]), dtype=bool)
        for one, edge in zip(choice, wanted, strict=True):
            inside &= (one >= 0) & (one < edge)
        yield np.ravel_multi_index(tuple(one[inside] for one in choice), wanted), inside


def _own_axes(map_affine: Affine, affine: Affine, shape: tuple[int, ...]) -> list[int] | None:
    """The map's axis along each axis wanted; None where the grids lie oblique to one another."""
    between = np.abs((np.linalg.inv(affine) @ map_affine)[:3, :3])  # a step on the map's grid, in voxels wanted
    own = [int(axis) for axis in between.argmax(axis=1)]
    if sorted(own) != [0, 1, 2]:
        return None
    astray = between.copy()
    astray[range(3), own] = 0
    return own if (astray @ np.asarray(shape)).max() < _ALONG else None


def _between(
    map: Tensor, map_affine: Affine, affine: Affine, shape: tuple[int, ...], larger: NDArray[np.bool_], own: list[int]
) -> Iterator[tuple[Affine, tuple[int, ...]]]:
    """A grid with the places of the map along the axes on which voxels become larger, and those wanted along the rest.

    Yields:
        Affine and shape of one part of it after the other, none with many more voxels than are wanted.
    """
    first = np.linalg.inv(affine) @ map_affine[:, 3]  # the map's first voxel, as an index wanted
    steps = (np.linalg.inv(affine) @ map_affine)[:3, :3]
    between, edges = np.eye(4), list(shape)
    long = [int(axis) for axis in np.flatnonzero(larger)]
    for axis in long:
        between[axis, axis], between[axis, 3] = steps[axis, own[axis]], first[axis]
        edges[axis] = map.shape[own[axis]]
    axis = long[0]
    whole = edges[axis]
    planes = max(2, int(np.prod(shape)) * whole // int(np.prod(edges)))
    for start in range(0, whole, planes):
        part = between.copy()
        part[axis, 3] += start * between[axis, axis]
        edges[axis] = max(min(planes, whole - start), 2)  # of one plane torch does not know the place
        yield affine @ part, tuple(edges)


def _places_in_voxel(sizes: NDArray[np.float64], larger: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Places evenly spread along the axes on which a voxel is larger, in voxels from its centre."""
    numbers = [int(np.ceil(_PER_EDGE * size)) if long else 1 for size, long in zip(sizes, larger, strict=True)]
    for place in np.ndindex(*numbers):
        yield (np.asarray(place) + 0.5) / numbers - 0.5
