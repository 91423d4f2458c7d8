"""Where a person of the personal phantom ages: eight places, four on each side.

In each, fluid takes the room of tissue: a ventricle grows, a hippocampus is eaten from its surface, the sulci of a part
of the cortex widen. So a place is a signed distance to its fluid, and the share of each voxel that belongs to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from interpbench.phantom.anatomy import Anatomy, Array, Millimetres, pooled, signed_distance
from interpbench.phantom.changes import occupied

SIDES = ("left", "right")
KINDS = ("ventricle", "hippocampus", "prefrontal", "parietal")
PLACES = tuple(f"{side}_{kind}" for kind in KINDS for side in SIDES)
# Parts of the cortex in MNI mm: the lowest and highest y and z; |x| above MIDLINE_MM.
CORTEX = {"prefrontal": ((28.0, 90.0), (-10.0, 90.0)), "parietal": ((-90.0, -42.0), (30.0, 90.0))}
MIDLINE_MM = 8.0


@dataclass(frozen=True, eq=False)
class Place:
    """A place on the phantom's grid; both fields are `(I, J, K)` float32."""

    distance: Array  # mm to the fluid, negative inside
    share: Array  # of each voxel that belongs to the place, 0 to 1

    def lost(self, growth: float, anatomy: Anatomy) -> Array:
        """The share of each voxel's tissue that is lost where the fluid grows by `growth` mm."""
        return self.share * (occupied(self.distance, growth, anatomy) - occupied(self.distance, 0.0, anatomy))


def load_places(fine: Millimetres, anatomy: Anatomy) -> dict[str, Place]:
    """The places by name, in the order of `PLACES`."""
    x, y, z = (fine.world[..., axis] for axis in range(3))
    sides = {"left": x < 0, "right": x > 0}
    sulci = _largest(~(fine.brain & (fine.white + fine.grey > 0.5)))

    def at_size(values: NDArray[np.generic]) -> Array:
        return pooled(values, anatomy.voxel_size)

    cortex = at_size(signed_distance(sulci))
    distances = {"ventricle": anatomy.ventricles, "hippocampus": -anatomy.hippocampi}
    places = {}
    for name in PLACES:
        side, kind = name.split("_")
        region = sides[side]
        if kind in CORTEX:
            (back, front), (low, high) = CORTEX[kind]
            region = region & (np.abs(x) > MIDLINE_MM) & (y > back) & (y < front) & (z > low) & (z < high)
        places[name] = Place(distances.get(kind, cortex), at_size(region))
    return places


def _largest(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part: the sulci are open to the outside of the brain, the ventricles are not."""
    labels, _ = ndimage.label(region)
    return np.asarray(labels == np.bincount(labels[labels > 0]).argmax())
