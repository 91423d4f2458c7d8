"""The average anatomy of the phantom, and where age and the distractors act.

Everything comes from the ICBM 2009a template that nilearn ships (1 mm, no download), cropped to the box of
140 x 176 x 140 mm and averaged down to the voxel size asked for. A region is kept as a signed distance in mm, so
that it can grow and shrink by fractions of a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

BOX_MM = (140, 176, 140)
CENTRE_MM = (0.0, -17.0, 8.0)  # MNI; the box holds the whole brain but the lowest 10 mm of the brainstem
CSF = 0.25  # template intensity of cerebrospinal fluid; white matter is near 0.87, grey near 0.65

# Ellipsoids in MNI mm: centre, half-axes. The hippocampi after the Harvard-Oxford atlas' extent.
HIPPOCAMPI = (((-27.0, -22.0, -15.0), (7.0, 15.0, 7.5)), ((27.0, -22.0, -15.0), (7.0, 15.0, 7.5)))
SYLVIAN = (((-46.0, -4.0, 2.0), (7.0, 24.0, 9.0)), ((46.0, -4.0, 2.0), (7.0, 24.0, 9.0)))
CEREBELLUM = (((-24.0, -64.0, -38.0), (20.0, 17.0, 13.0)), ((24.0, -64.0, -38.0), (20.0, 17.0, 13.0)))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The average brain on the phantom's grid; every field is `(I, J, K)` float32."""

    voxel_size: float  # mm
    affine: NDArray[np.float64]
    template: Array  # T1 intensity, 0 outside the brain
    brain: NDArray[np.bool_]
    white: Array  # probability of white matter
    ventricles: Array  # signed distance in mm to the lateral and third ventricles, negative inside
    hippocampi: Array
    sylvian: Array
    cerebellum: Array


@dataclass(frozen=True, eq=False)
class Millimetres:
    """The template at 1 mm, cropped to the box; every field but the corner is `(140, 176, 140)`."""

    corner: NDArray[np.float64]  # MNI mm of the first voxel's centre
    template: Array
    brain: NDArray[np.bool_]
    white: Array  # probability
    grey: Array  # probability
    world: NDArray[np.float64]  # MNI mm of each voxel's centre, `(140, 176, 140, 3)`


def load_millimetres() -> Millimetres:
    """Load what nilearn ships, cropped to the box."""
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    image = load_mni152_template(resolution=1)
    start = np.round(np.linalg.inv(image.affine) @ (*CENTRE_MM, 1.0))[:3].astype(int) - np.array(BOX_MM) // 2
    window = tuple(slice(first, first + edge) for first, edge in zip(start, BOX_MM, strict=True))

    def cropped(source: object) -> Array:
        values = np.asarray(source.get_fdata(dtype=np.float32))  # type: ignore[attr-defined]
        padding = [(max(0, -w.start), max(0, w.stop - n)) for w, n in zip(window, values.shape, strict=True)]
        shifted = tuple(slice(w.start + p[0], w.stop + p[0]) for w, p in zip(window, padding, strict=True))
        return np.pad(values, padding)[shifted]

    corner = image.affine[:3, :3] @ start + image.affine[:3, 3]
    return Millimetres(
        corner=corner,
        template=cropped(image),
        brain=cropped(load_mni152_brain_mask(resolution=1)) > 0,
        white=cropped(load_mni152_wm_template(resolution=1)),
        grey=cropped(load_mni152_gm_template(resolution=1)),
        world=np.stack(np.meshgrid(*(corner[a] + np.arange(BOX_MM[a]) for a in range(3)), indexing="ij"), -1),
    )


def load_anatomy(voxel_size: float) -> Anatomy:
    """Load the template at `voxel_size` mm; each field is the average of its 1 mm values over the voxel."""
    return anatomy_of(load_millimetres(), voxel_size)


def anatomy_of(fine: Millimetres, voxel_size: float) -> Anatomy:
    """The anatomy at `voxel_size` mm."""
    brain, world = fine.brain, fine.world
    fluid = brain & (1 - fine.white - fine.grey > 0.5)
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = fine.corner + (voxel_size - 1) / 2

    def at_size(values: NDArray[np.generic]) -> Array:
        return pooled(values, voxel_size)

    covered = at_size(brain)
    intensity = at_size(np.where(brain, fine.template, 0)) / np.maximum(covered, 1e-6)
    return Anatomy(
        voxel_size=voxel_size,
        affine=affine,
        template=np.where(covered > 0.5, intensity, 0).astype(np.float32),
        brain=covered > 0.5,
        white=at_size(np.where(brain, fine.white, 0)),
        ventricles=at_size(signed_distance(_ventricles(fluid, world))),
        hippocampi=at_size(ellipsoids(world, HIPPOCAMPI)),
        sylvian=at_size(ellipsoids(world, SYLVIAN)),
        cerebellum=at_size(ellipsoids(world, CEREBELLUM)),
    )


def _ventricles(fluid: NDArray[np.bool_], world: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The largest connected pool of fluid in the middle of the brain."""
    x, y, z = world[..., 0], world[..., 1], world[..., 2]
    central = fluid & (np.abs(x) < 40) & (y > -55) & (y < 40) & (z > -5) & (z < 32)
    labels, _ = ndimage.label(central)
    return np.asarray(labels == np.bincount(labels[labels > 0]).argmax())


def signed_distance(region: NDArray[np.bool_]) -> Array:
    """Distance in mm to a region of the 1 mm grid, negative inside."""
    outside = ndimage.distance_transform_edt(~region)
    inside = ndimage.distance_transform_edt(region)
    return np.asarray(outside - inside, dtype=np.float32)


def ellipsoids(world: NDArray[np.float64], shapes: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]) -> Array:
    """Signed distance to the nearest of some ellipsoids, exact on their axes and close to it elsewhere."""
    distances = []
    for centre, half_axes in shapes:
        scaled = (world - np.array(centre)) / np.array(half_axes)
        radius = np.linalg.norm(scaled, axis=-1)
        gradient = np.linalg.norm(scaled / np.array(half_axes), axis=-1)
        distances.append((radius - 1) * radius / np.maximum(gradient, 1e-6))
    return np.asarray(np.minimum.reduce(distances), dtype=np.float32)


def pooled(values: NDArray[np.generic], voxel_size: float) -> Array:
    """Average over voxels of `voxel_size` mm: exact blocks for whole millimetres, else area-weighted."""
    averaged: Array = np.asarray(values, dtype=np.float32)
    for axis in range(3):
        edges = np.arange(0, averaged.shape[axis] + 1e-6, voxel_size)
        nothing = np.zeros_like(averaged.take([0], axis))
        summed = np.concatenate([nothing, np.cumsum(averaged, axis, dtype=np.float64)], axis)
        at = np.minimum(np.floor(edges).astype(int), averaged.shape[axis] - 1)
        part = (edges - at).reshape([-1 if a == axis else 1 for a in range(3)])
        integral = summed.take(at, axis) * (1 - part) + summed.take(at + 1, axis) * part
        averaged = np.asarray(np.diff(integral, axis=axis) / voxel_size, dtype=np.float32)
    return averaged
