"""Label images on other grids: an atlas of regions or a population map on the network's, a segmentation on its image's.

What is in template space fits every image where the recipe lays one box for all of them, which its `centre` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.errors import InputError
from interpbench.images.grid import Affine, box_affine
from interpbench.images.rules import MAX_VOXELS
from interpbench.images.volume import read_volume

if TYPE_CHECKING:
    from interpbench.images.recipe import Recipe

_MOST = 2**24  # float32, which volumes are read as, holds every integer up to here
_NUDGE = 1e-3  # mm
_SAME_PLACE = 1e-3  # mm


@dataclass(frozen=True, eq=False)
class LabelImage:
    """An image of whole numbers, 0 for no region; `values` are `(I, J, K)` int64."""

    path: Path
    values: NDArray[np.int64]
    affine: Affine

    def on(self, affine: Affine, shape: Sequence[int]) -> NDArray[np.int64]:
        """The labels on another grid: each voxel takes the label of the voxel in which its centre lies.

        A centre on the border of two belongs to the one on the right, in front or above. Beyond the image there is 0.
        """
        from scipy.ndimage import affine_transform

        if self.values.shape == tuple(shape) and np.allclose(self.affine, affine, atol=_SAME_PLACE):
            return self.values
        nudged = affine.copy()
        nudged[:3, 3] += _NUDGE
        between = np.linalg.inv(self.affine) @ nudged  # index on the grid -> index in the labels
        labels: NDArray[np.int64] = affine_transform(
            self.values,
            between[:3, :3],
            between[:3, 3],
            output_shape=tuple(shape),
            order=0,
            mode="grid-constant",
            cval=0,
        )
        return labels


def read_labels(path: Path | str, *, what: str = "a label image", max_voxels: int = MAX_VOXELS) -> LabelImage:
    """Read an image of labels.

    Args:
        what: how a message calls it.

    Raises:
        InputError: the file is refused, or holds other values.
    """
    image = read_volume(path, max_voxels=max_voxels, constant_ok=True)
    values = image.data[0].numpy()
    wrong = (values != np.rint(values)) | (values < 0) | (values >= _MOST)
    if wrong.any():
        raise InputError(
            f"{path}: is not {what}: its labels must be integers from 0 to {_MOST - 1}, "
            f"{int(wrong.sum())} voxels have other values, such as {values[wrong][0]:.8g}."
        )
    return LabelImage(Path(path), values.astype(np.int64), image.affine)


def read_atlas(path: Path | str, recipe: Recipe) -> Tensor:
    """The labels of an atlas on the network's grid.

    Each voxel of the grid takes the label of the atlas voxel in which its centre lies; a centre on the border of two
    belongs to the one on the right, in front or above.

    Args:
        path: a NIfTI of whole numbers, 0 for no region, in the space of the template that the images are registered
            to, on any grid.
        recipe: the predictor's.

    Returns:
        `(I, J, K)` int64, 0 where the atlas has no region or does not reach.

    Raises:
        InputError: the file is refused, holds other values, has no region in the network's field of view, or the
            images share no space.
    """
    affine = _template_grid(path, recipe)
    labels = read_labels(path, what="an atlas").on(affine, recipe.shape)
    if not labels.any():
        raise InputError(
            f"{path}: no region of this atlas lies in the network's field of view; check that it is in template space."
        )
    return torch.from_numpy(labels)


def read_population_map(path: Path | str, recipe: Recipe) -> Tensor:
    """A population map that `aggregate` wrote for predictors with this recipe.

    Returns:
        `(I, J, K)` float32.

    Raises:
        InputError: the file is refused, lies on another grid than the network's, or the images share no space.
    """
    affine = _template_grid(path, recipe)
    map = read_volume(path, constant_ok=True)
    if tuple(map.data.shape[1:]) != recipe.shape or not np.allclose(map.affine, affine, atol=_SAME_PLACE):
        found, wanted = ("x".join(str(edge) for edge in edges) for edges in (map.data.shape[1:], recipe.shape))
        raise InputError(
            f"{path}: has another grid ({found} voxels) than the network ({wanted} voxels of "
            f"{recipe.voxel_size:g} mm); give a map that `aggregate` made for this predictor."
        )
    return map.data[0]


def _template_grid(path: Path | str, recipe: Recipe) -> NDArray[np.float64]:
    if recipe.centre is None:
        raise InputError(
            f"{path}: cannot be used with this predictor: its grid is centred on each brain, so the images share"
            " no space. Register the images to a template, and train with a `centre`."
        )
    return box_affine(recipe.shape, recipe.voxel_size, recipe.orientation, recipe.centre)
