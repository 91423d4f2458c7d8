"""Where to cut a volume, and the cuts as images that stand upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from interpbench.errors import UsageError

Axis = Literal["x", "y", "z"]
Array = NDArray[np.floating[Any]]
Box = tuple[slice, slice, slice]

# Across and up the picture, for cuts along each axis; letters at the picture's left and right.
_PLANES: dict[str, tuple[int, int, str, str]] = {
    "x": (1, 2, "P", "A"),
    "y": (0, 2, "L", "R"),
    "z": (0, 1, "L", "R"),
}


@dataclass(frozen=True, eq=False)
class Upright:
    """A volume turned so that its axes grow to the right, front and top (RAS), and where it lies."""

    data: Array  # (X, Y, Z)
    affine: Array  # (4, 4), mm

    @classmethod
    def of(cls, data: ArrayLike, affine: ArrayLike) -> Upright:
        """Turned by flips and swaps of axes only: no voxel is interpolated."""
        values = np.asarray(data, dtype=np.float64)
        if values.ndim != 3:
            raise UsageError(f"A picture shows a volume (I, J, K), got shape {values.shape}.")
        image = nib.as_closest_canonical(nib.Nifti1Image(values, np.asarray(affine, dtype=np.float64)))
        return cls(np.asarray(image.dataobj), np.asarray(image.affine))

    def edge(self, axis: int) -> float:
        """A voxel's size along an axis, in mm."""
        return float(np.linalg.norm(self.affine[:3, axis]))

    def position(self, axis: int, index: int) -> float:
        """The world coordinate of a slice's centre, in mm."""
        middle = [(size - 1) / 2 for size in self.data.shape]
        middle[axis] = index
        return float((self.affine @ [*middle, 1.0])[axis])

    def cropped(self, box: Box) -> Upright:
        """The part of the volume inside a box of indices."""
        affine = self.affine.copy()
        affine[:3, 3] += self.affine[:3, :3] @ [side.start for side in box]
        return Upright(self.data[box], affine)

    def cut(self, axis: Axis, index: int) -> Array:
        """One slice, rows going up."""
        return np.asarray(np.take(self.data, index, axis="xyz".index(axis)).T)

    def extent(self, axis: Axis) -> tuple[float, float, float, float]:
        """The slice's size on paper, for `imshow`, in mm."""
        across, up, _, _ = _PLANES[axis]
        return 0.0, self.data.shape[across] * self.edge(across), 0.0, self.data.shape[up] * self.edge(up)


def letters(axis: Axis) -> tuple[str, str]:
    """What lies at the left and the right of a picture: L and R, or P and A."""
    return _PLANES[axis][2:]


def letters_in_words(axis: Axis) -> str:
    """What the letters of a picture mean, and what is at its top, for a footnote."""
    sides = "P, A: back and front" if axis == "x" else "L, R: left and right"
    return f"{sides} of the subject; {'front' if axis == 'z' else 'crown'} at the top"


def spread_slices(inside: NDArray[np.bool_], axis: Axis, count: int) -> list[int]:
    """Slices at equal distances through the middle 76 % of what is inside along an axis."""
    box = bounding_box(inside)["xyz".index(axis)]
    first, last = box.start, box.stop - 1
    margin = 0.12 * (last - first)
    return [round(place) for place in np.linspace(first + margin, last - margin, count)]


def inside_of(background: Array) -> NDArray[np.bool_]:
    """The voxels that are not empty: those that differ from the value that fills all eight corners, if one does."""
    corners = background[:: max(background.shape[0] - 1, 1), :: max(background.shape[1] - 1, 1)]
    corners = corners[:, :, :: max(background.shape[2] - 1, 1)]
    empty = corners.flat[0]
    inside = np.asarray(background != empty)
    return inside if (corners == empty).all() and inside.any() else np.ones_like(inside)


def bounding_box(inside: NDArray[np.bool_]) -> Box:
    """The box of indices around what is inside."""
    ends = []
    for axis in range(3):
        found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append(slice(int(found[0]), int(found[-1]) + 1))
    return ends[0], ends[1], ends[2]


def grey_range(background: Array, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """The intensities shown black and white: all but the extremest inside the brain."""
    low, high = np.percentile(background[inside], [0.5, 99.5])
    return float(low), float(max(high, low + 1e-6))
