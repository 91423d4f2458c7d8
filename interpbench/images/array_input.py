"""An array in memory as the network's input, with its place in the world."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interpbench.errors import InputError, UsageError
from interpbench.images.foreground import brain_of
from interpbench.images.grid import box_affine
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe
from interpbench.images.volume import Volume

_NUMBERS = "biuf"  # kinds of numpy's types: yes or no, whole, floating


def array_as_input(array: Tensor | np.ndarray, affine: ArrayLike | None, recipe: Recipe) -> Prepared:
    """An array on the network's grid, taken as it is; what counts as brain is what differs from its background.

    Args:
        array: `(I, J, K)` or `(1, I, J, K)` of the shape of the recipe, real numbers of any type.
        affine: voxel to world `(4, 4)`, mm; by default that of the recipe's box.

    Raises:
        UsageError: another shape, no real numbers, or no affine.
        InputError: NaN or infinity.
    """
    values = _numbers(array)
    values = values[0] if values.dim() == 4 and len(values) == 1 else values
    if tuple(values.shape) != recipe.shape:
        raise UsageError(
            f"an array must have the shape of the recipe, {recipe.shape}, got {tuple(array.shape)}: give the image"
            " instead, or bring it to the network's grid by recipe.prepare."
        )
    if not bool(values.isfinite().all()):
        raise InputError(f"the array has {int((~values.isfinite()).sum())} voxels that are not finite.")
    place = _box_of(recipe) if affine is None else _affine(affine)
    brain = brain_of(values[None, None])[0]
    return Prepared(values[None], brain, place, Volume(values[None], place), brain)


def _numbers(array: Tensor | np.ndarray) -> Tensor:
    """The array's values as float32, in memory of their own."""
    if isinstance(array, Tensor):
        if array.is_complex() or array.layout != torch.strided or array.is_meta:
            kind = f"{array.dtype} with layout {array.layout} on device {array.device}"
            raise UsageError(f"a tensor must hold real numbers, all of them in memory, got {kind}.")
        return array.detach().to("cpu", torch.float32, copy=True)
    if np.ma.is_masked(array):
        raise UsageError("the array has masked voxels: fill them, for example by array.filled(0).")
    if array.dtype.kind not in _NUMBERS:
        raise UsageError(f"an array must hold real numbers, got dtype {array.dtype}.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        return torch.from_numpy(np.array(array, dtype=np.float32, order="C", subok=False))


def _affine(affine: ArrayLike) -> NDArray[np.float64]:
    """The affine `(4, 4)`.

    Raises:
        UsageError: it is none.
    """
    try:
        place = np.asarray(affine)
    except ValueError:  # rows of unequal length
        place = np.empty(0)
    if place.dtype.kind in _NUMBERS and place.shape == (4, 4) and np.array_equal(place[3], [0, 0, 0, 1]):
        place = place.astype(np.float64)
        if np.isfinite(place).all() and np.linalg.matrix_rank(place[:3, :3]) == 3:
            return place
    got = " ".join(repr(affine).split())
    raise UsageError(f"an affine must be a 4x4 matrix that can be inverted, with the last row 0 0 0 1, got {got}.")


def _box_of(recipe: Recipe) -> NDArray[np.float64]:
    """The affine of the recipe's box; around the world's origin where the recipe has no centre."""
    return box_affine(recipe.shape, recipe.voxel_size, recipe.orientation, recipe.centre or (0.0, 0.0, 0.0))
