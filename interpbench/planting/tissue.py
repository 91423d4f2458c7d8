"""An image as planting sees it: its voxels, its brain, and the intensities that changes are measured by."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from interpbench.errors import InputError
from interpbench.planting.geometry import Affine, Array, Inside, zooms_of

AIR = 0.1  # quantile of the voxels outside the brain
DEEP = 12.0  # mm below the brain's surface: no voxel there is half air
FLUID = 0.01  # quantile of the deep voxels, in the ventricles
ENOUGH = 30  # deep voxels
STEP = 4.0  # mm, for which depths are found


@dataclass(frozen=True, eq=False)
class Tissue:
    """One image and its brain.

    Attributes:
        values: `(I, J, K)` float32.
        brain: `(I, J, K)` bool.
        affine: voxel to world, in mm.
        background: intensity outside the brain.
        fluid: intensity of cerebrospinal fluid.
    """

    values: Array
    brain: Inside
    affine: Affine
    background: float
    fluid: float

    @functools.cached_property
    def level(self) -> float:
        """The brain's median intensity above the background."""
        return level_of(self.values[self.brain], self.background)


def tissue_of(values: Array, brain: Inside, affine: Affine) -> Tissue:
    """The tissue of an image.

    Raises:
        InputError: the brain is no brighter than the background, so that intensities have no scale.
    """
    outside = values[~brain]
    background = float(np.quantile(outside[:: 1 + len(outside) // 50_000], AIR)) if len(outside) else 0.0
    if not level_of(values[brain], background) > 0:
        raise InputError(
            f"the brain's median intensity is not above the background ({background:g}): give images that are not"
            " normalised to a mean of zero."
        )
    return Tissue(values, brain, affine, background, fluid_in(values, brain, affine))


def level_of(values: Array, background: float) -> float:
    """The median of the brain's voxels `(n,)` above the background."""
    return float(np.median(values)) - background


def fluid_in(values: Array, brain: Inside, affine: Affine) -> float:
    """The intensity of cerebrospinal fluid in a T1-weighted image: the darkest part deep in the brain."""
    from scipy.ndimage import distance_transform_edt

    zooms = zooms_of(affine)
    steps = [max(1, round(STEP / float(zoom))) for zoom in zooms]
    some = tuple(slice(None, None, step) for step in steps)
    solid = np.pad(brain[some], 1)
    depth = distance_transform_edt(solid, sampling=[float(z) * step for z, step in zip(zooms, steps, strict=True)])
    deep = values[some][depth[1:-1, 1:-1, 1:-1] > DEEP]
    return float(np.quantile(deep if len(deep) >= ENOUGH else values[brain], FLUID))
