"""`lesion`: a blob whose radius grows with y, at a place that is each person's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from interpbench.errors import InputError, UsageError
from interpbench.options import option
from interpbench.planting.geometry import Affine, Array, Inside, distances_in, window_around, zooms_of
from interpbench.planting.kind import Effect, Kind
from interpbench.planting.tissue import Tissue

VOXELS = 1.5  # radius of the smallest lesion, at least
RIM = 5.0  # mm below the brain's surface, where lesions may lie
TRIES = 2000  # places that are drawn until one fits
_AROUND = np.array([place for place in np.ndindex(3, 3, 3) if place != (1, 1, 1)]) - 1.0


class Blob(Effect):
    """A ball with a smooth edge, of a radius of middle exp(strength amount) mm."""

    def __init__(
        self, tissue: Tissue, centre: NDArray[np.int_], bound: float, radii: tuple[float, float], contrast: float
    ) -> None:
        self.tissue, self.bound = tissue, bound
        self.middle = math.sqrt(radii[0] * radii[1])
        self.most = math.log(radii[1] / radii[0]) / 2 / bound
        self.softness = float(zooms_of(tissue.affine).max())
        self.centre = np.asarray(tissue.affine[:3, :3] @ centre + tissue.affine[:3, 3])
        largest = self.radius(bound, self.most) + self.softness
        self.window = window_around(centre, tissue.values.shape, tissue.affine, largest)
        self._distance = distances_in(self.window, tissue.affine, self.centre)
        above = tissue.values[self.window] - np.float32(tissue.background)
        self._added = np.where(tissue.brain[self.window], contrast * above, 0).astype(np.float32)

    def radius(self, amount: float, strength: float) -> float:
        """The radius, in mm."""
        return self.middle * math.exp(strength * amount)

    def values(self, amount: float, strength: float) -> Array:
        inside = (self.radius(amount, strength) - self._distance) / self.softness + 0.5
        share = np.clip(inside, 0, 1)
        share = share * share * (3 - 2 * share)
        return np.asarray(self.tissue.values[self.window] + share.astype(np.float32) * self._added, dtype=np.float32)

    def figures(self, strength: float) -> Mapping[str, float]:
        return dict(zip(("x_mm", "y_mm", "z_mm"), map(float, self.centre), strict=True))


@dataclass(frozen=True, kw_only=True)
class Lesion(Kind):
    """A blob of another size and place in each person; the strength is the growth of its radius per SD."""

    unit: ClassVar[str] = "growth of the logarithm of the radius per SD"
    usual: ClassVar[float] = 0.2

    contrast: float = option(
        -0.4, "change of intensity in the lesion, as a share; negative values are darker", above=-1.0, maximum=2.0
    )
    smallest: float = option(3.0, "radius of the smallest lesion, in mm", above=0.0)
    largest: float = option(12.0, "radius of the largest lesion, in mm", above=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.contrast == 0:
            raise UsageError("contrast of Lesion must not be 0: the lesion would not be visible.")
        if self.largest <= self.smallest:
            raise UsageError(
                f"largest of Lesion must be above smallest ({self.smallest:g} mm), got {self.largest:g} mm."
            )

    def on(
        self, tissue: Tissue, region: Inside, random: np.random.Generator, bound: float, avoid: Inside | None = None
    ) -> Effect:
        smallest = max(self.smallest, VOXELS * float(zooms_of(tissue.affine).max()))
        if self.largest <= smallest:
            raise InputError(
                f"voxels of this size need lesions above {smallest:g} mm in radius: the option largest"
                f" ({self.largest:g} mm) is too small."
            )
        apart = 0.0 if avoid is None else self.largest + float(zooms_of(tissue.affine).max())
        centre = _centre(tissue, region, random, avoid, apart)
        return Blob(tissue, centre, bound, (smallest, self.largest), self.contrast)


def _centre(
    tissue: Tissue, region: Inside, random: np.random.Generator, avoid: Inside | None, apart: float
) -> NDArray[np.int_]:
    """The voxel of a region whose surroundings of `RIM` mm are brain, and those of `apart` mm no other's truth."""
    flat = np.flatnonzero(region)
    for place in random.integers(len(flat), size=TRIES):
        centre = np.array(np.unravel_index(flat[place], region.shape))
        if not _all_around(tissue.brain, centre, tissue.affine):
            continue
        if avoid is None:
            return centre
        window = window_around(centre, region.shape, tissue.affine, apart)
        near = distances_in(window, tissue.affine, tissue.affine[:3, :3] @ centre + tissue.affine[:3, 3]) <= apart
        if not (avoid[window] & near).any():
            return centre
    raise InputError(f"no place for a lesion was found {RIM:g} mm below the surface of the brain.")


def _all_around(brain: Inside, centre: NDArray[np.int_], affine: Affine) -> bool:
    """Whether 26 places at `RIM` mm from a voxel are brain."""
    around = _AROUND / np.linalg.norm(_AROUND, axis=1, keepdims=True) * RIM
    index = np.rint(centre + around @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    if (index < 0).any() or (index >= brain.shape).any():
        return False
    return bool(brain[tuple(index.T)].all())
