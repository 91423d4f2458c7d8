"""`atrophy`: a region shrinks or grows by a smooth displacement field.

g is the region's indicator, smoothed by a Gaussian. The field u = grad g / max |grad g| points into the region, is 1 at
its surface at most, and 0 at its middle and far away. The image is pulled back along psi(q) = q - a u(q), a in mm: with
a > 0 the surface moves inwards by a. The Jacobian determinant of psi, det(1 - a Du), is positive where |a| is below the
inverse of the largest norm of Du.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interpbench.errors import InputError
from interpbench.options import option
from interpbench.planting.geometry import TAILS, Array, Inside, gradient_of, smoothed, window_of, zooms_of
from interpbench.planting.kind import Effect, Kind
from interpbench.planting.tissue import Tissue

SAFE = 0.9  # of the displacement at which the Jacobian determinant may reach 0
STILL = 0.01  # of the largest displacement: below it a voxel stays where it is
EDGE = 0.6  # voxels, SD of a surface that runs through them


class MovedRegion(Effect):
    """A region whose surface moves by `strength` mm per SD."""

    def __init__(self, tissue: Tissue, region: Inside, bound: float, smoothing: float, *, fluid: bool) -> None:
        self.tissue, self.bound, self.fluid = tissue, bound, fluid
        largest = float(zooms_of(tissue.affine).max())
        sd = max(smoothing, largest)
        self.window = window_of(region, tissue.affine, (TAILS + 1) * sd)
        self.region = region[self.window]
        self._edge = EDGE * largest
        gradient = gradient_of(smoothed(self.region, tissue.affine, sd), tissue.affine)
        size = np.sqrt((gradient**2).sum(axis=0))
        field = gradient / size.max()
        self.moving = (size > STILL * size.max()) & tissue.brain[self.window]
        if not self.moving.any():
            raise InputError("the region has no surface inside the brain that could move.")
        self.stretch = max(_stretch(field, self.moving, tissue), 1e-6)
        inward = np.linalg.inv(tissue.affine[:3, :3]) @ field[:, self.moving].astype(np.float64)
        self._inward = inward  # (3, n) voxels per mm
        self._from = np.stack(np.nonzero(self.moving)).astype(np.float64)
        self.most = SAFE / (self.stretch * self.furthest)

    @property
    def furthest(self) -> float:
        """The largest amount that moves the surface, in SD."""
        return 2 * self.bound if self.fluid else self.bound

    def inwards(self, amount: float, strength: float) -> float:
        """How far the surface moves inwards, in mm: in both directions, or from 0 where fluid fills what is vacated."""
        return strength * (max(0.0, self.bound + amount) if self.fluid else amount)

    def jacobian(self, amount: float, strength: float) -> float:
        """A bound from below of the Jacobian determinant's cube root; the field does not fold where it is positive."""
        return 1 - abs(self.inwards(amount, strength)) * self.stretch

    def values(self, amount: float, strength: float) -> Array:
        out = self.tissue.values[self.window].copy()
        places = self._places(amount, strength)
        if self.fluid:
            edge = self._surface
            rim = np.clip(edge[self.moving] - _linear(edge, places), 0, 1)
            out[self.moving] += rim * (np.float32(self.tissue.fluid) - out[self.moving])
        else:
            spline, lowest, highest = self._spline
            out[self.moving] = np.clip(_cubic(spline, places), lowest, highest)
        return out

    def volume(self, amount: float, strength: float) -> float:
        """The region's volume over what it was."""
        inside = self.region.astype(np.float32)
        moved = float(_linear(inside, self._places(amount, strength)).sum())
        return (moved + float(inside[~self.moving].sum())) / float(inside.sum())

    def figures(self, strength: float) -> Mapping[str, float]:
        change = self.volume(0.5, strength) - self.volume(-0.5, strength)
        return {"volume_change_per_sd": change, "millimetres_per_sd": strength}

    def _places(self, amount: float, strength: float) -> NDArray[np.float64]:
        return np.asarray(self._from - self.inwards(amount, strength) * self._inward)

    @functools.cached_property
    def _spline(self) -> tuple[NDArray[np.float64], float, float]:
        """Coefficients of the image with fluid around the brain, and the lowest and highest intensity of the brain."""
        from scipy.ndimage import spline_filter

        brain, values = self.tissue.brain[self.window], self.tissue.values[self.window]
        filled = np.where(brain, values, np.float32(self.tissue.fluid))
        coefficients = spline_filter(filled, order=3, output=np.float64, mode="nearest")
        return coefficients, float(values[brain].min()), float(values[brain].max())

    @functools.cached_property
    def _surface(self) -> Array:
        """The share of each voxel inside the region."""
        return np.clip(smoothed(self.region, self.tissue.affine, self._edge), 0, 1)


@dataclass(frozen=True, kw_only=True)
class Atrophy(Kind):
    """The region's surface moves; the strength is by how many mm per SD."""

    unit: ClassVar[str] = "mm per SD"
    usual: ClassVar[float] = 0.5

    filled_by: str = option(
        "neighbours", "what fills the place that a shrinking region leaves", choices=("neighbours", "fluid")
    )
    smoothing: float = option(
        2.5, "SD of the Gaussian that makes the displacement smooth, in mm", minimum=1.0, maximum=10.0
    )

    def on(
        self, tissue: Tissue, region: Inside, random: np.random.Generator, bound: float, avoid: Inside | None = None
    ) -> Effect:
        return MovedRegion(tissue, region, bound, self.smoothing, fluid=self.filled_by == "fluid")


def _stretch(field: Array, moving: Inside, tissue: Tissue) -> float:
    """The largest spectral norm of the field's derivative, per mm; it is looked for where the Frobenius norm allows."""
    derivative = np.stack([gradient_of(part, tissue.affine)[:, moving] for part in field])  # (3, 3, n)
    square = (derivative**2).sum(axis=(0, 1))
    near = derivative[:, :, square >= square.max() / 3]
    return float(np.linalg.norm(np.moveaxis(near, 2, 0), ord=2, axis=(1, 2)).max())


def _linear(values: Array, places: NDArray[np.float64]) -> Array:
    from scipy.ndimage import map_coordinates

    return np.asarray(map_coordinates(values, places, order=1, mode="nearest"), dtype=np.float32)


def _cubic(spline: NDArray[np.float64], places: NDArray[np.float64]) -> Array:
    from scipy.ndimage import map_coordinates

    found = map_coordinates(spline, places, order=3, mode="nearest", prefilter=False)
    return np.asarray(found, dtype=np.float32)
