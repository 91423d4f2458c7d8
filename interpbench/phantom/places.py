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
# The part of the template that belongs to a kind: |x|, y and z from and to, in MNI mm. Parts are small, so that age
# does not show in the mean intensity of an image, which normalisation would carry everywhere.
PARTS = {
    "ventricle": ((0.0, 90.0), (5.0, 90.0), (-90.0, 90.0)),  # the frontal horn
    "hippocampus": ((0.0, 90.0), (-90.0, 90.0), (-90.0, 90.0)),
    "prefrontal": ((8.0, 90.0), (28.0, 90.0), (10.0, 30.0)),
    "parietal": ((8.0, 90.0), (-72.0, -50.0), (45.0, 90.0)),
}
PLACES = tuple(f"{side}_{kind}" for kind in PARTS for side in SIDES)


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
    sulci = _largest(~(fine.brain & (fine.white + fine.grey > 0.5)))
    cortex = pooled(signed_distance(sulci), anatomy.voxel_size)
    distances = {"ventricle": anatomy.ventricles, "hippocampus": -anatomy.hippocampi}
    x, y, z = (fine.world[..., axis] for axis in range(3))
    places = {}
    for name in PLACES:
        side, kind = name.split("_")
        bounds = zip((-x if side == "left" else x, y, z), PARTS[kind], strict=True)
        region = np.all([(low < axis) & (axis < high) for axis, (low, high) in bounds], axis=0)
        places[name] = Place(distances.get(kind, cortex), pooled(region, anatomy.voxel_size))
    return places


def _largest(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part: the sulci are open to the outside of the brain, the ventricles are not."""
    labels, _ = ndimage.label(region)
    return np.asarray(labels == np.bincount(labels[labels > 0]).argmax())
