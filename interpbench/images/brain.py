"""The brain of an image: the voxels inside a mask file, or without one all voxels that are not background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.doubts import NO_STRIPPING, UNEVEN, Doubt, kind_of
from interpbench.images.foreground import foreground, is_head
from interpbench.images.grid import reoriented
from interpbench.images.intensities import odd_intensities
from interpbench.images.mask_rules import inside_mask
from interpbench.images.nifti import refuse_image
from interpbench.images.rules import MAX_VOXELS
from interpbench.images.volume import Volume, read_volume

RULES = 3  # number of the rules by which a voxel is brain: another number, and prepared volumes are made anew


def brain_in(image: Volume, mask: Path | str | None) -> tuple[Tensor, tuple[Doubt, ...]]:
    """The voxels of an image that are brain: those inside the mask, or without a mask all that are not background.

    Returns:
        `(I, J, K)` bool, and what is doubtful about the brain and its intensities.

    Raises:
        InputError: as `read_mask`.
    """
    inside, doubts = foreground_of(image) if mask is None else read_mask(mask, image)
    return inside, (*doubts, *odd_intensities(image.data[0].numpy(), inside.numpy()))


def read_mask(path: Path | str, image: Volume) -> tuple[Tensor, tuple[Doubt, ...]]:
    """Read the brain mask of an image; `interpbench.images.mask_rules` decides which of its voxels are inside.

    A voxel that is not a number is outside. A mask on the image's grid may have its axes in another order or direction.

    Returns:
        `(I, J, K)` bool on the image's grid, and warnings.

    Raises:
        InputError: the file is refused, lies on another grid than the image, or is empty.
    """
    path = Path(path)
    most = max(MAX_VOXELS, image.data.numel())  # what was accepted of the image
    mask = read_volume(path, max_voxels=most, nan_to_zero=True, constant_ok=True)
    values, shape = mask.data[0], tuple(image.data.shape[1:])
    if values.shape != shape or not np.allclose(mask.affine, image.affine, atol=1e-2):
        turned = reoriented(values, mask.affine, image.affine, shape)
        if turned is None:
            refuse_image(
                path,
                f"is a mask with another grid ({_grid_of(mask)}) than {image.path} ({_grid_of(image)}): resample it"
                " to the image's shape and affine",
            )
        values = turned
    inside, doubts = inside_mask(values.contiguous().numpy(), float(np.prod(_zooms(image))) / 1e6)
    if not inside.any():
        refuse_image(path, "is an empty mask: no voxel is inside")
    told = [Doubt(f"mask: {one}", kind_of(one)) for one in mask.warnings]
    return torch.from_numpy(inside), (*told, *doubts)


def foreground_of(image: Volume) -> tuple[Tensor, tuple[Doubt, ...]]:
    """The voxels that are not background; `interpbench.images.foreground` describes how they are found.

    Returns:
        `(I, J, K)` bool, and warnings: if every voxel counts as brain, if the background is not constant, or if the
        image shows a whole head.
    """
    values = image.data[0].numpy()
    inside, even = foreground(values)
    found = torch.from_numpy(inside)
    if even is None:
        return found, (Doubt("no mask, and no uniform background: every voxel counts as brain", NO_STRIPPING),)
    if head := is_head(values, inside, _zooms(image)):
        return found, (Doubt(f"no mask, and the image seems to show a whole head: {head}", NO_STRIPPING),)
    if not even:
        words = (
            "no mask, and the background is not constant: voxels that differ from it by 10 % of"
            " the range count as brain"
        )
        return found, (Doubt(words, UNEVEN),)
    return found, ()


def fill_holes(inside: Tensor) -> Tensor:
    """Fill enclosed holes: dark fluid inside a brain is not background."""
    from scipy.ndimage import binary_fill_holes

    return torch.from_numpy(binary_fill_holes(inside.numpy()))


def _grid_of(image: Volume) -> str:
    """A grid in words: its shape, and the position of its first voxel."""
    place = ", ".join(f"{edge:.6g}" for edge in image.affine[:3, 3])
    return f"shape {tuple(image.data.shape[1:])}, first voxel at {place} mm"


def _zooms(image: Volume) -> NDArray[np.float64]:
    """The voxel sizes, in mm."""
    return np.asarray(np.linalg.norm(image.affine[:3, :3], axis=0), dtype=np.float64)
