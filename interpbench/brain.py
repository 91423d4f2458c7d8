"""Which voxels of an image are brain: a mask file's, or all that is not background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from interpbench.image_rules import MAX_VOXELS
from interpbench.interfaces import brain_of
from interpbench.nifti import refuse
from interpbench.volume import Volume, read_volume


def read_mask(path: Path | str, image: Volume) -> tuple[Tensor, tuple[str, ...]]:
    """Read the brain mask of an image.

    A voxel is inside where the mask is not zero; in a mask of fractions (none above 1) from one half up; never
    where it is not a number.

    Returns:
        `(I, J, K)` bool on the image's grid, and warnings.

    Raises:
        InputError: the file is refused, lies on another grid than the image, or is empty.
    """
    path = Path(path)
    most = max(MAX_VOXELS, image.data.numel())  # what was accepted of the image
    mask = read_volume(path, max_voxels=most, nan_to_zero=True, constant_ok=True)
    if mask.data.shape != image.data.shape or not np.allclose(mask.affine, image.affine, atol=1e-2):
        refuse(path, f"is a mask on another grid (shape {tuple(mask.data.shape[1:])}) than {image.path} "
                     f"(shape {tuple(image.data.shape[1:])}): bring it to the image's shape and affine")
    values = mask.data[0]
    inside = values >= 0.5 if values.max() <= 1 else values != 0
    if not inside.any():
        refuse(path, "is a mask without a voxel inside")
    return inside, tuple(f"mask: {warning}" for warning in mask.warnings)


def foreground_of(image: Volume) -> tuple[Tensor, tuple[str, ...]]:
    """The voxels that are not background, the one value which fills all eight corners.

    Returns:
        `(I, J, K)` bool, and a warning where the corners differ, so that everything counts.
    """
    foreground = brain_of(image.data[None])[0]
    if bool(foreground.all()):
        return foreground, ("no mask, and no even background: every voxel counts as brain",)
    return foreground, ()


def fill_holes(inside: Tensor) -> Tensor:
    """Close what is shut in on all sides: dark fluid inside a brain is no background."""
    from scipy.ndimage import binary_fill_holes

    return torch.from_numpy(binary_fill_holes(inside.numpy()))
