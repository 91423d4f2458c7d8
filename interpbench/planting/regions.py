"""Where a signal is planted: values of a label image, or spheres, on the grid of one person's image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpbench.errors import InputError
from interpbench.planting.geometry import Affine, Inside, distances_in

FEWEST = 8  # voxels of a region


@dataclass(frozen=True)
class Sphere:
    """A ball in the world, in mm."""

    centre: tuple[float, float, float]
    radius: float

    def __str__(self) -> str:
        return "/".join(f"{edge:g}" for edge in (*self.centre, self.radius))


@dataclass(frozen=True)
class Region:
    """The values of a label image, or spheres; neither is the whole brain."""

    values: tuple[int, ...] = ()
    spheres: tuple[Sphere, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.spheres)

    def __str__(self) -> str:
        """As the command line is given it."""
        return ",".join(str(value) for value in self.values) or " ".join(str(sphere) for sphere in self.spheres)


def region_in(region: Region, brain: Inside, affine: Affine, labels: NDArray[np.int64] | None) -> Inside:
    """The voxels of a region that are brain, `(I, J, K)` bool.

    Args:
        labels: `(I, J, K)` on the image's grid, where the region is of values.

    Raises:
        InputError: next to nothing of it lies in the brain.
    """
    if not region:
        return brain
    if region.values:
        if labels is None:
            raise InputError(f"there is no label image, so region {region} cannot be found.")
        inside = np.isin(labels, region.values)
        what = f"region {region}"
    else:
        whole = tuple(slice(0, edge) for edge in brain.shape)
        window = (whole[0], whole[1], whole[2])
        inside = np.zeros(brain.shape, dtype=bool)
        for sphere in region.spheres:
            inside |= distances_in(window, affine, np.asarray(sphere.centre)) <= sphere.radius
        what = f"sphere {region}"
    number = int(inside.sum())
    inside &= brain
    found = int(inside.sum())
    if found < FEWEST:
        counted, where = (found, "in the brain") if number >= FEWEST else (number, "in the image")
        raise InputError(f"{what} has only {counted} voxels {where}; at least {FEWEST} are needed.")
    return inside
