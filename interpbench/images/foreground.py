"""The foreground of an image without a mask, and whether it is a brain or a whole head.

The background is one value where all eight corners have it, and next to nothing near it lies outside the brain. Where
it is nearly one value, as after interpolation of a higher order, or with the noise of air, what differs from it by a
tenth of the image's range is foreground: its large pieces, holes filled.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.images.mask_rules import LARGEST, faces_of

NEAR = 0.02  # of the range: this close to the background lies what interpolation leaves behind
FAR = 0.10  # of the range: this far from it lies what is no background
EVEN = 0.5  # of the border within FAR of the background, for there to be one
RESIDUE = 0.05  # of the foreground near the background, above which it is looked at more closely
OUTSIDE = 0.10  # of the brain's size: so much of that outside the brain is residue
BOTH = 0.3  # of the voxels far above: so many far below, and the brain's values lie on both sides of the background
STRAYS = 0.10  # of what is outside half as far from the background: with more, there is no background
PIECE = 0.05  # of the largest piece's size: smaller ones are specks
SMALLEST = 1.0  # litres: in less the skull of an adult is not looked for
SKULL = 0.65  # of the middle's intensity: darker is, 8 to 12 mm below the surface, skull, and not brain
STEP = 4.0  # mm, for which depths are found

Image = NDArray[np.float32]
Inside = NDArray[np.bool_]


def brain_of(volumes: Tensor) -> Tensor:
    """The voxels of each volume that are not background.

    Recipes fill the background with one value, which then also fills the eight corners. A volume
    whose corners differ has no background, and all of it counts.

    Args:
        volumes: `(B, 1, I, J, K)`.

    Returns:
        `(B, I, J, K)` bool.
    """
    images = volumes[:, 0]
    corners = images[:, :: max(images.shape[1] - 1, 1), :: max(images.shape[2] - 1, 1), :: max(images.shape[3] - 1, 1)]
    corners = corners.flatten(1)
    background = corners[:, 0]
    uniform = (corners == background[:, None]).all(dim=1)
    brain = (images != background[:, None, None, None]) | ~uniform[:, None, None, None]
    empty = ~brain.flatten(1).any(dim=1)
    return brain | empty[:, None, None, None]


def foreground(values: Image) -> tuple[Inside, bool | None]:
    """The voxels `(I, J, K)` that are not background.

    Returns:
        They, and whether the background is one value; None where there is no background, so that all counts.
    """
    plain = brain_of(torch.from_numpy(values)[None, None])[0].numpy()
    if plain.all():
        border = np.concatenate(faces_of(values))
        found = _beyond(values, float(np.median(border)), border)
        return (plain, None) if found is None else (found, False)
    background = float(values[0, 0, 0])
    reach = NEAR * _range(values, background)
    near = plain & (np.abs(values - background) <= reach)
    if np.count_nonzero(near) > RESIDUE * np.count_nonzero(plain):
        found = _beyond(values, background, np.concatenate(faces_of(values)))
        if found is not None and np.count_nonzero(near & ~found) > OUTSIDE * np.count_nonzero(found):
            return found, False
    return plain, True


def is_head(values: Image, inside: Inside, zooms: NDArray[np.float64]) -> str | None:
    """The reason why a foreground is a head with skull and scalp; None if it looks like a brain.

    A head is larger than a brain. And where the foreground has a brain's size, a dark layer lies some 10 mm below its
    surface: the skull, where a brain has its cortex.

    Args:
        zooms: edges of a voxel, in mm.
    """
    litres = float(np.count_nonzero(inside)) * float(np.prod(zooms)) / 1e6
    if litres > LARGEST:
        return f"the foreground has a volume of {litres:.1f} litres, more than a brain"
    if litres < SMALLEST:
        return None
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    steps = [max(1, round(STEP / float(zoom))) for zoom in zooms]
    some = tuple(slice(None, None, step) for step in steps)
    coarse, solid = values[some], binary_fill_holes(inside[some])
    depth = distance_transform_edt(solid, sampling=[float(z) * step for z, step in zip(zooms, steps, strict=True)])
    middle, layer = coarse[depth > 25], coarse[(depth > 8) & (depth <= 12)]
    outside = coarse[~solid]
    if not len(middle) or not len(layer) or not len(outside):
        return None
    background = float(np.median(outside))
    bright, dark = float(np.median(middle)) - background, float(np.median(layer)) - background
    if bright > 0 and dark < SKULL * bright:
        return (
            f"about 10 mm below its surface is a dark layer ({dark / bright:.0%} of the intensity"
            " in the middle), as of a skull"
        )
    return None


def _range(values: Image, background: float) -> float:
    """The intensity range of voxels relative to the background, without a few in a thousand."""
    some = values.ravel()[:: max(1, values.size // 200_000)]
    low, high = np.quantile(some, (0.001, 0.999))
    return float(max(high - background, background - low))


def _beyond(values: Image, background: float, border: NDArray[np.float32]) -> Inside | None:
    """The large connected pieces whose intensity is far from the background; None without such a background."""
    from scipy.ndimage import binary_fill_holes, label

    reach = _range(values, background)
    if not reach > 0 or np.mean(np.abs(border - background) <= FAR * reach) < EVEN:
        return None
    above, below = values > background + FAR * reach, values < background - FAR * reach
    more, less = sorted((above, below), key=np.count_nonzero, reverse=True)
    core = np.abs(values - background) > NEAR * reach if less.sum() > BOTH * more.sum() else more
    pieces, number = label(core)
    if number == 0:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0  # of the background
    filled: Inside = binary_fill_holes((sizes >= PIECE * sizes.max())[pieces])
    outside = ~filled
    strays = np.count_nonzero(outside & (np.abs(values - background) > FAR / 2 * reach))
    return None if strays >= STRAYS * np.count_nonzero(outside) else filled
