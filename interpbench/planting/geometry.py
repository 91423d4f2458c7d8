"""Windows, distances, smoothing and gradients in world millimetres, for any affine: oblique, anisotropic, sheared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Inside = NDArray[np.bool_]
Affine = NDArray[np.float64]
Window = tuple[slice, slice, slice]

TAILS = 4.0  # SDs at which a Gaussian is cut


def zooms_of(affine: Affine) -> NDArray[np.float64]:
    """The edges of a voxel, in mm."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), dtype=np.float64)


def reach_of(affine: Affine, distance: float) -> NDArray[np.int_]:
    """How many voxels a ball extends from its centre along each axis.

    Args:
        distance: the ball's radius, in mm.
    """
    rows = np.linalg.norm(np.linalg.inv(affine[:3, :3]), axis=1)
    return np.asarray(np.ceil(rows * distance - 1e-9), dtype=int)


def window_of(inside: Inside, affine: Affine, margin: float) -> Window:
    """The box around the voxels inside, with a margin in mm, as far as the image goes."""
    found = []
    for axis, reach in enumerate(reach_of(affine, margin)):
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        found.append(slice(max(0, int(hit[0] - reach)), min(inside.shape[axis], int(hit[-1] + reach + 1))))
    return found[0], found[1], found[2]


def window_around(centre: NDArray[np.int_], shape: tuple[int, ...], affine: Affine, radius: float) -> Window:
    """The box around a ball, as far as the image goes."""
    parts = [
        slice(max(0, int(middle - reach)), min(edge, int(middle + reach + 1)))
        for middle, reach, edge in zip(centre, reach_of(affine, radius), shape, strict=True)
    ]
    return parts[0], parts[1], parts[2]


def places_in(window: Window, affine: Affine) -> NDArray[np.float64]:
    """The world coordinates of the voxels of a window, `(3, I, J, K)` in mm."""
    axes = [np.arange(part.start, part.stop, dtype=np.float64) for part in window]
    parts = [affine[:3, axis, None, None, None] * _along(axes[axis], axis) for axis in range(3)]
    return np.asarray(parts[0] + parts[1] + parts[2] + affine[:3, 3, None, None, None])


def distances_in(window: Window, affine: Affine, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each voxel of a window from a place in the world, in mm."""
    offsets = places_in(window, affine) - np.asarray(place, dtype=np.float64)[:, None, None, None]
    return np.asarray(np.sqrt((offsets**2).sum(axis=0)))


def smoothed(values: NDArray[np.generic], affine: Affine, sd: float) -> Array:
    """The values `(I, J, K)` smoothed by a Gaussian that is round in the world, 0 beyond the window.

    It is applied to the Fourier transform, exp(-2 pi^2 sd^2 |k|^2), k in cycles per mm, so no affine is special.

    Args:
        sd: in mm.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    shape = [
        int(next_fast_len(int(edge + reach), real=True))
        for edge, reach in zip(values.shape, reach_of(affine, TAILS * sd), strict=True)
    ]
    waves = [np.fft.fftfreq(edge) for edge in shape[:2]] + [np.fft.rfftfreq(shape[2])]
    metric = np.linalg.inv(affine[:3, :3].T @ affine[:3, :3])
    square = sum(
        metric[one, other] * _along(waves[one], one) * _along(waves[other], other)
        for one in range(3)
        for other in range(3)
    )
    gauss = np.exp(-2 * np.pi**2 * sd**2 * np.asarray(square)).astype(np.float32)
    found = irfftn(rfftn(np.asarray(values, dtype=np.float32), s=shape) * gauss, s=shape)
    return np.ascontiguousarray(found[tuple(slice(edge) for edge in values.shape)], dtype=np.float32)


def gradient_of(values: Array, affine: Affine) -> Array:
    """The gradient in the world, `(3, I, J, K)` per mm."""
    steps = [np.gradient(values, axis=axis) if edge > 1 else 0 * values for axis, edge in enumerate(values.shape)]
    turn = np.linalg.inv(affine[:3, :3]).T.astype(np.float32)
    return np.asarray(np.tensordot(turn, np.stack(steps), axes=1), dtype=np.float32)


def _along(values: NDArray[np.floating[Any]], axis: int) -> NDArray[np.floating[Any]]:
    return values.reshape([-1 if other == axis else 1 for other in range(3)])
