"""Files in template space, resampled to the network's grid: an atlas of regions, a population map.

They fit every image where the recipe lays one box for all of them, which its `centre` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.errors import InputError
from interpbench.images.grid import box_affine
from interpbench.images.volume import read_volume

if TYPE_CHECKING:
    from interpbench.images.recipe import Recipe

_MOST = 2**24  # float32, which volumes are read as, holds every integer up to here
_NUDGE = 1e-3  # mm
_SAME_PLACE = 1e-3  # mm


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
    from scipy.ndimage import affine_transform

    affine = _template_grid(path, recipe)
    atlas = read_volume(path, constant_ok=True)
    values = atlas.data[0].numpy()
    wrong = (values != np.rint(values)) | (values < 0) | (values >= _MOST)
    if wrong.any():
        raise InputError(
            f"{path}: is not an atlas: its labels must be integers from 0 to {_MOST - 1}, "
            f"{int(wrong.sum())} voxels have other values, such as {values[wrong][0]:g}."
        )
    affine[:3, 3] += _NUDGE
    between = np.linalg.inv(atlas.affine) @ affine  # index on the grid -> index in the atlas
    labels = affine_transform(
        values.astype(np.int64),
        between[:3, :3],
        between[:3, 3],
        output_shape=recipe.shape,
        order=0,
        mode="grid-constant",
        cval=0,
    )
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
