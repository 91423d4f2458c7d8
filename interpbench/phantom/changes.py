"""What may change in a brain: regions that grow, lesions, a pattern of contrast, a deformation.

What is random is drawn apart from what is done with it, so that one person can be rendered twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from interpbench.phantom.anatomy import CSF, Anatomy, Array

MOVES_MM = 16.0  # how smooth a deformation is

Lesion = tuple[NDArray[np.int64], float]  # centre in voxels, radius in mm


def occupied(distance: Array, growth: float | Array, anatomy: Anatomy) -> Array:
    """The share of each voxel inside a region grown by `growth` mm: a straight edge through a cube."""
    return np.asarray(np.clip((growth - distance) / (anatomy.voxel_size + 1.0) + 0.5, 0, 1), dtype=np.float32)


def draw_lesions(anatomy: Anatomy, mean_number: float, random: np.random.Generator) -> list[Lesion]:
    """Lesions of 3 to 8 mm in radius at random places of the white matter."""
    deep = np.argwhere(anatomy.white > 0.8)
    return [(deep[random.integers(len(deep))], random.uniform(3.0, 8.0)) for _ in range(random.poisson(mean_number))]


def with_lesions(image: Array, anatomy: Anatomy, lesions: Sequence[Lesion]) -> Array:
    """The image with each lesion dark."""
    image = image.copy()
    for centre, radius in lesions:
        reach = int(np.ceil(radius / anatomy.voxel_size)) + 1
        window = tuple(slice(max(0, c - reach), c + reach + 1) for c in centre)
        offsets = np.moveaxis(np.indices(image[window].shape), 0, -1) + [part.start for part in window] - centre
        distance = np.linalg.norm(offsets * anatomy.voxel_size, axis=-1) - radius
        share = occupied(distance.astype(np.float32), 0.0, anatomy) * anatomy.brain[window]
        image[window] -= 0.6 * share * (image[window] - CSF)
    return image


def draw_pattern(anatomy: Anatomy, scale: float, random: np.random.Generator) -> Array:
    """A pattern of unit variance over the whole grid, smooth over `scale` mm."""
    return _smooth_field(anatomy.template.shape, scale / anatomy.voxel_size, random)


def draw_moves(anatomy: Anatomy, spread: float, reach: float, random: np.random.Generator) -> list[Array]:
    """A smooth deformation: from where each voxel comes, an array for each axis, in voxels.

    Args:
        spread: SD of a displacement along an axis, in mm.
        reach: the largest, in mm.
    """
    shape, scale, most = anatomy.template.shape, spread / anatomy.voxel_size, reach / anatomy.voxel_size
    grid = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    smooth = MOVES_MM / anatomy.voxel_size
    return [places + np.clip(scale * _smooth_field(shape, smooth, random), -most, most) for places in grid]


def moved(image: Array, moves: Sequence[Array]) -> Array:
    """The deformed image."""
    return np.asarray(ndimage.map_coordinates(image, moves, order=1, mode="constant"), dtype=np.float32)


def _smooth_field(shape: tuple[int, ...], sigma: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise of unit variance, smooth over `sigma` voxels: drawn coarse, then interpolated."""
    step = max(1.0, sigma)
    coarse = random.standard_normal([int(np.ceil(n / step)) + 3 for n in shape]).astype(np.float32)
    axes = [np.arange(n, dtype=np.float32) / step + 1 for n in shape]
    for axis, positions in enumerate(axes):  # a cubic B-spline, axis by axis
        first = np.floor(positions).astype(int) - 1
        part = positions - np.floor(positions)
        left, right = (1 - part) ** 3, part**3
        weights = np.stack([left, 3 * right - 6 * part**2 + 4, -3 * right + 3 * part**2 + 3 * part + 1, right]) / 6
        # interpolation lowers the variance between knots; dividing by the weights' norm restores it
        weights = (weights / np.linalg.norm(weights, axis=0)).astype(np.float32)
        shape_of = [-1 if a == axis else 1 for a in range(3)]
        limit = coarse.shape[axis] - 1
        coarse = sum(weights[k].reshape(shape_of) * coarse.take(np.minimum(first + k, limit), axis) for k in range(4))
    return np.asarray(coarse, dtype=np.float32)
