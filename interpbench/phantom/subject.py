"""One phantom subject: the average anatomy, aged, varied, deformed, and imaged with gain and noise.

Age acts in two places and nowhere else: ventricles widen and hippocampi shrink. Both also vary between subjects of one
age, which is what keeps a perfect network from predicting it perfectly. Everything else is a distractor.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from interpbench.phantom.anatomy import CSF, Anatomy, Array

AGES = (44.0, 73.0)  # years, as in Bintsi et al. 2021

VENTRICLE_MM_PER_YEAR = 0.08
HIPPOCAMPUS_MM_PER_YEAR = 0.08
INDIVIDUAL_MM = 0.15  # SD of the ventricles' widening and, independently, of the hippocampi's shrinking
SUPPRESSOR_MM = 2.0  # SD of the Sylvian fissures' width: strong anatomy that has nothing to do with age
CEREBELLUM_CONTRAST = 0.06  # SD of the cerebellum's intensity, likewise
TISSUE_CONTRAST = 0.1  # SD of a smooth pattern over the whole brain, new in each subject
LESIONS = 4  # mean number
DEFORMATION_MM = 0.8  # SD of a displacement's component
DEFORMATION_REACH_MM = 4.0  # what no displacement exceeds
GAIN = 0.1  # SD of the scanner's log intensity scale
NOISE = 0.03  # SD, in template intensity; white matter is near 0.87


@dataclass(frozen=True)
class Traits:
    """The individual differences of a subject, before deformation and noise; distances in mm."""

    ventricles: float  # widening beyond the template's
    hippocampi: float  # shrinking
    sylvian: float
    cerebellum: float  # added intensity


def mean_traits(age: float) -> Traits:
    """The traits of the mean subject of an age, in years."""
    years = age - AGES[0]
    return Traits(VENTRICLE_MM_PER_YEAR * years, HIPPOCAMPUS_MM_PER_YEAR * years, 0.0, 0.0)


def render_mean(anatomy: Anatomy, age: float) -> Array:
    """The mean subject of `age` years without noise and deformation, `(I, J, K)`."""
    return _compose(anatomy, mean_traits(age))


def render_subject(anatomy: Anatomy, age: float, random: np.random.Generator) -> Array:
    """One subject of `age` years, `(I, J, K)` float32, exactly 0 outside the brain."""
    mean = mean_traits(age)
    spread = np.array([INDIVIDUAL_MM, INDIVIDUAL_MM, SUPPRESSOR_MM, CEREBELLUM_CONTRAST])
    values = [getattr(mean, field.name) for field in fields(Traits)] + spread * random.standard_normal(4)
    image = _compose(anatomy, Traits(*(float(value) for value in values)))
    image = _with_lesions(image, anatomy, random)
    image = image * (1 + TISSUE_CONTRAST * _smooth_field(image.shape, 12.0 / anatomy.voxel_size, random))
    image = _deformed(image, anatomy, random)
    brain = image > CSF / 4
    gain = np.exp(GAIN * random.standard_normal())
    noisy = image + NOISE * random.standard_normal(image.shape).astype(np.float32)
    return np.where(brain, gain * np.maximum(noisy, 1e-3), 0).astype(np.float32)


def _compose(anatomy: Anatomy, traits: Traits) -> Array:
    image = anatomy.template + traits.cerebellum * _occupied(anatomy.cerebellum, 0.0, anatomy)
    ring = _occupied(anatomy.hippocampi, 0.0, anatomy) - _occupied(anatomy.hippocampi, -traits.hippocampi, anatomy)
    image = image + ring * (CSF - image)
    for distance, growth in ((anatomy.ventricles, traits.ventricles), (anatomy.sylvian, traits.sylvian - 6.0)):
        filled = _occupied(distance, growth, anatomy)
        if distance is anatomy.ventricles:  # the template's own ventricles stay as they are
            filled = np.clip(filled - _occupied(distance, 0.0, anatomy), -1, 1)
        image = image + filled * (CSF - image)
    return np.where(anatomy.brain, image, 0).astype(np.float32)


def _occupied(distance: Array, growth: float, anatomy: Anatomy) -> Array:
    """The share of each voxel inside a region grown by `growth` mm: a straight edge through a cube."""
    return np.asarray(np.clip((growth - distance) / (anatomy.voxel_size + 1.0) + 0.5, 0, 1), dtype=np.float32)


def _with_lesions(image: Array, anatomy: Anatomy, random: np.random.Generator) -> Array:
    deep = np.argwhere(anatomy.white > 0.8)
    for _ in range(random.poisson(LESIONS)):
        centre = deep[random.integers(len(deep))]
        radius = random.uniform(3.0, 8.0)
        reach = int(np.ceil(radius / anatomy.voxel_size)) + 1
        window = tuple(slice(max(0, c - reach), c + reach + 1) for c in centre)
        offsets = np.moveaxis(np.indices(image[window].shape), 0, -1) + [part.start for part in window] - centre
        distance = np.linalg.norm(offsets * anatomy.voxel_size, axis=-1) - radius
        share = _occupied(distance.astype(np.float32), 0.0, anatomy) * anatomy.brain[window]
        image = image.copy()
        image[window] -= 0.6 * share * (image[window] - CSF)
    return image


def _deformed(image: Array, anatomy: Anatomy, random: np.random.Generator) -> Array:
    shape, reach = image.shape, DEFORMATION_REACH_MM / anatomy.voxel_size
    grid = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    scale = DEFORMATION_MM / anatomy.voxel_size
    moved = [g + np.clip(scale * _smooth_field(shape, 16.0 / anatomy.voxel_size, random), -reach, reach) for g in grid]
    return np.asarray(ndimage.map_coordinates(image, moved, order=1, mode="constant"), dtype=np.float32)


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
