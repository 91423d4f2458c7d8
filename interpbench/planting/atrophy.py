"""`atrophy`: a region shrinks or grows by a smooth displacement field.

g is the region's indicator, smoothed by a Gaussian. The field u = grad g / max |grad g| points into the region, is 1 at
its surface at most, and 0 at its middle and far away. The image is pulled back along the flow of -u, for a time a in
mm: with a > 0 the surface moves inwards, by a while it is near where it was. A flow of a smooth field never folds: the
singular values of its Jacobian are at least exp(-|a| L), where L is the largest norm of Du. So the strength is bounded
by the region's volume alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interpbench.errors import InputError
from interpbench.options import option
from interpbench.planting.geometry import TAILS, Array, Inside, gradient_of, smoothed, window_of, zooms_of
from interpbench.planting.kind import Effect, Kind
from interpbench.planting.tissue import Tissue

VOLUMES = (0.3, 2.5)  # of a region, over what it was: the strongest effect stays between them
FARTHEST = 4.0  # SDs of the smoothing that a surface may be asked to move: beyond, the field is all but 0
STEP = 0.25  # of the inverse of the field's largest norm: a step of the flow
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
        turned = np.tensordot(np.linalg.inv(tissue.affine[:3, :3]), field.astype(np.float64), axes=1)
        self._inward = np.asarray(turned * self.moving, dtype=np.float32)  # (3, I, J, K) voxels per mm
        self._from = np.stack(np.nonzero(self.moving)).astype(np.float64)
        inwards = self._reach(VOLUMES[0], FARTHEST * sd)
        self.most = inwards / self.furthest
        if not fluid:
            self.most = min(self.most, self._reach(VOLUMES[1], -FARTHEST * sd) / bound)

    @property
    def furthest(self) -> float:
        """The largest amount that moves the surface, in SD."""
        return 2 * self.bound if self.fluid else self.bound

    def inwards(self, amount: float, strength: float) -> float:
        """How far the surface moves inwards, in mm: in both directions, or from 0 where fluid fills what is vacated."""
        return strength * (max(0.0, self.bound + amount) if self.fluid else amount)

    def jacobian(self, amount: float, strength: float) -> float:
        """A bound from below of the smallest singular value of the flow's Jacobian: positive, so nothing folds."""
        return math.exp(-abs(self.inwards(amount, strength)) * self.stretch)

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
        return self._volume_at(self._places(amount, strength))

    def figures(self, strength: float) -> Mapping[str, float]:
        change = self.volume(0.5, strength) - self.volume(-0.5, strength)
        return {"volume_change_per_sd": change, "millimetres_per_sd": strength}

    def _places(self, amount: float, strength: float) -> NDArray[np.float64]:
        """Where each moving voxel takes its value from, `(3, n)` voxels of the window."""
        *_, (_, places) = self._flow(self.inwards(amount, strength))
        return places

    def _flow(self, distance: float) -> Iterator[tuple[float, NDArray[np.float64]]]:
        """The flow of -u step by step (midpoint rule): how far, in mm, and where the moving voxels have come from."""
        steps = max(1, math.ceil(abs(distance) * self.stretch / STEP))
        places, step = self._from, distance / steps
        for number in range(steps):
            halfway = places - step / 2 * self._field_at(places)
            places = places - step * self._field_at(halfway)
            yield step * (number + 1), places

    def _field_at(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([_linear(part, places) for part in self._inward]).astype(np.float64)

    def _volume_at(self, places: NDArray[np.float64]) -> float:
        inside = self.region.astype(np.float32)
        return (float(_linear(inside, places).sum()) + float(inside[~self.moving].sum())) / float(inside.sum())

    def _reach(self, volume: float, distance: float) -> float:
        """How far the surface may move, in mm, before the region has this volume; at most a distance."""
        before, was = 0.0, 1.0
        for gone, places in self._flow(distance):
            now = self._volume_at(places)
            if (now - volume) * (was - volume) <= 0:
                return abs(before + (gone - before) * (was - volume) / (was - now))
            before, was = gone, now
        return abs(distance)

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
