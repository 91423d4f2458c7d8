"""Two grids in one world: where a box's grid lies, and bringing voxels from one grid to another.

Where two grids differ only by whole voxels (flipped, turned, cropped, padded), voxels are moved and keep their
bits. Everywhere else MONAI interpolates, once, trilinearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Affine = NDArray[np.float64]

_EXACT = 0.01  # voxels: grids that fit one another this closely everywhere are one lattice
_HALF_WAY = 1e-6  # voxels, by which rounding may miss it
_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def is_orientation(codes: str) -> bool:
    """Whether the letters name three axes, as `RAS` and `PSR` do."""
    return len(codes) == 3 and {_LETTERS.get(letter, (letter,))[0] for letter in codes} == {0, 1, 2}


def box_affine(
    shape: Sequence[int], voxel_size: float, orientation: str, centre: ArrayLike, axes: ArrayLike | None = None
) -> Affine:
    """The affine of a box of cubic voxels.

    Args:
        shape: `(I, J, K)`.
        voxel_size: in mm.
        orientation: where each index grows to, `RAS` say.
        centre: of the box, world mm.
        axes: `(3, 3)` unit columns taken for right, front and up; the world's own by default.
    """
    frame = np.eye(3) if axes is None else np.asarray(axes, dtype=np.float64)
    affine = np.eye(4)
    for column, letter in enumerate(orientation):
        axis, sign = _LETTERS[letter]
        affine[:3, column] = frame[:, axis] * sign * voxel_size
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return affine + 0.0  # no minus zero


def image_axes(affine: Affine) -> NDArray[np.float64]:
    """The image's own axes as `(3, 3)` unit columns: those nearest to right, front and up, without shear."""
    from nibabel.orientations import io_orientation

    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    frame = np.empty((3, 3))
    for column, (axis, sign) in enumerate(io_orientation(affine)):
        frame[:, int(axis)] = columns[:, column] * sign
    left, _, right = np.linalg.svd(frame)  # the nearest rotation
    return np.asarray(left @ right)


def snapped(affine: Affine, source_affine: Affine) -> Affine:
    """The grid shifted by up to half a voxel onto the source's lattice, where turns and voxel sizes agree.

    From half-way it goes up along its own axes, whichever way the source's run.
    """
    between = np.linalg.inv(source_affine) @ affine
    turn = np.rint(between[:3, :3])
    if not np.allclose(between[:3, :3], turn, atol=1e-4) or not _is_turn(turn):
        return affine
    moved = affine.copy()
    place = turn @ np.floor(turn.T @ between[:3, 3] + 0.5 + _HALF_WAY)
    moved[:3, 3] = source_affine[:3, :3] @ place + source_affine[:3, 3]
    return moved


def move(data: Tensor, source_affine: Affine, affine: Affine, shape: Sequence[int], *, smooth: bool = False) -> Tensor:
    """Bring voxels `(I, J, K)` from one grid to another, 0 where there were none.

    Args:
        data: any type; interpolated values are float32.
        source_affine: of the grid that `data` lies on.
        affine: of the grid wanted.
        shape: of the grid wanted.
        smooth: before going to larger voxels, blur so that they average what they cover.

    Returns:
        `(*shape)`: of the type of `data` and exact where the grids share a lattice.
    """
    return move_all([data], source_affine, affine, shape, smooth=smooth)[0]


def move_all(
    images: Sequence[Tensor], source_affine: Affine, affine: Affine, shape: Sequence[int], *, smooth: bool = False
) -> list[Tensor]:
    """What `move` makes of each of several images that share a grid; where they are interpolated, it is faster."""
    steps = _whole_steps(source_affine, affine, shape)
    if steps is not None:
        return [_shifted(image, *steps, tuple(shape)) for image in images]
    values = [image.to(torch.float32) for image in images]
    if smooth:
        values = [_blurred(one, source_affine, affine) for one in values]
    return list(_interpolated(torch.stack(values), source_affine, affine, tuple(shape)).unbind())


def share_lattice(source_affine: Affine, affine: Affine, shape: Sequence[int]) -> bool:
    """Whether two grids differ only by whole voxels, so that `move` keeps every bit.

    Args:
        shape: `(I, J, K)` of the grid that `affine` places.
    """
    return _whole_steps(source_affine, affine, shape) is not None


def reoriented(data: Tensor, source_affine: Affine, affine: Affine, shape: Sequence[int]) -> Tensor | None:
    """The voxels `(I, J, K)` in another grid's order; None where the two grids are not the same points."""
    between = np.linalg.inv(source_affine) @ affine
    turn = np.rint(between[:3, :3])
    if not _is_turn(turn) or [int(edge) for edge in np.abs(turn) @ np.asarray(shape)] != list(data.shape):
        return None
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.asarray(shape) - 1)
    places = corners @ between[:3, :3].T + between[:3, 3]
    there = np.isclose(places, 0, atol=_EXACT) | np.isclose(places, np.asarray(data.shape) - 1, atol=_EXACT)
    return move(data, source_affine, affine, shape) if there.all() else None


def share_outside(inside: Tensor, source_affine: Affine, affine: Affine, shape: Sequence[int]) -> float:
    """The share of a mask's voxels `(I, J, K)` whose centres lie outside another grid."""
    flat = np.flatnonzero(inside.numpy())
    places = np.stack(np.unravel_index(flat[:: max(1, len(flat) // 200_000)], inside.shape), axis=1)
    between = np.linalg.inv(affine) @ source_affine
    index = places @ between[:3, :3].T + between[:3, 3]
    within = ((index >= -0.5 - _EXACT) & (index <= np.asarray(shape) - 0.5 + _EXACT)).all(axis=1)
    return float(1 - within.mean())


def middle_of(inside: Tensor, affine: Affine) -> NDArray[np.float64]:
    """The world place (mm) of the middle of a mask's bounding box."""
    middle = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hit = torch.nonzero(inside.any(dim=others[1]).any(dim=others[0]))
        middle.append(float(hit.min() + hit.max()) / 2)
    return np.asarray(affine[:3, :3] @ middle + affine[:3, 3])


def _whole_steps(
    source_affine: Affine, affine: Affine, shape: Sequence[int]
) -> tuple[NDArray[np.int_], NDArray[np.int_]] | None:
    """The turn and the shift, in whole voxels, from an index wanted to the source's; None if there are none."""
    between = np.linalg.inv(source_affine) @ affine
    turn = np.rint(between[:3, :3])
    shift = np.rint(between[:3, 3])
    reach = np.abs(between[:3, :3] - turn) @ np.asarray(shape, dtype=np.float64) + np.abs(between[:3, 3] - shift)
    return (turn.astype(int), shift.astype(int)) if _is_turn(turn) and reach.max() < _EXACT else None


def _is_turn(matrix: NDArray[np.float64]) -> bool:
    """Whether the matrix only swaps and flips axes."""
    size = np.abs(matrix)
    return bool((size.sum(axis=0) == 1).all() and (size.sum(axis=1) == 1).all() and size.max() == 1)


def _shifted(data: Tensor, turn: NDArray[np.int_], shift: NDArray[np.int_], shape: tuple[int, ...]) -> Tensor:
    """Source voxel `turn @ index + shift` to each index of the grid wanted."""
    order = [int(np.flatnonzero(turn[:, axis])[0]) for axis in range(3)]  # the source axis along each wanted axis
    starts = []
    flipped = []
    for axis, source in enumerate(order):
        if turn[source, axis] < 0:
            flipped.append(axis)
            starts.append(data.shape[source] - 1 - int(shift[source]))
        else:
            starts.append(int(shift[source]))
    turned = data.permute(order).flip(flipped)
    moved = torch.zeros(shape, dtype=data.dtype)
    wanted, taken = [], []
    for start, edge, there in zip(starts, shape, turned.shape, strict=True):
        first, last = max(0, -start), min(edge, there - start)
        last = max(first, last)  # no overlap: an empty slice
        wanted.append(slice(first, last))
        taken.append(slice(first + start, last + start))
    moved[tuple(wanted)] = turned[tuple(taken)]
    return moved


def _blurred(values: Tensor, source_affine: Affine, affine: Affine) -> Tensor:
    """Gaussian blur that turns the source's resolution into the wanted one's.

    Voxels k times as large have a point spread wider by sqrt(k^2 - 1) of the smaller ones' full width at half
    maximum (Cardoso et al. 2015, Scale factor point spread function matching, eq. 4).
    """
    from scipy.ndimage import gaussian_filter

    ratio = np.linalg.norm(affine[:3, 0]) / np.linalg.norm(source_affine[:3, :3], axis=0)
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0) / (8 * np.log(2)))
    sigma[sigma < 0.2] = 0.0
    sigma = np.minimum(sigma, values.shape)  # of a voxel larger than the image there is nothing more to blur
    if not sigma.any():
        return values
    return torch.from_numpy(gaussian_filter(values.numpy(), sigma, mode="nearest", truncate=3))


def _interpolated(images: Tensor, source_affine: Affine, affine: Affine, shape: tuple[int, ...]) -> Tensor:
    """`(N, I, J, K)` on another grid, `(N, *shape)`.

    Along an axis of one voxel torch's `affine_grid` would take the source's middle wherever that voxel is, so a second
    one is made there and dropped.
    """
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms.spatial.array import SpatialResample

    resample = SpatialResample(mode="bilinear", padding_mode="zeros", align_corners=True)
    image = MetaTensor(images, affine=torch.from_numpy(source_affine.copy()))
    moved: Any = resample(
        image, dst_affine=torch.from_numpy(affine.copy()), spatial_size=[max(edge, 2) for edge in shape]
    )
    first, second, third = shape
    plain: Tensor = moved.as_tensor()[:, :first, :second, :third]
    return plain.contiguous()
