"""Arrays in memory as the network's input: their values, whatever their type and layout, or one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from interpbench import Recipe
from interpbench.errors import InputError, InterpbenchError, UsageError
from interpbench.images.array_input import array_as_input

SHAPE = (6, 7, 5)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0, centre=(1.0, 2.0, 3.0))
WHOLE = np.random.default_rng(0).integers(1, 200, SHAPE)


def read_only() -> np.ndarray:
    array = WHOLE.astype(np.float32)
    array.flags.writeable = False
    return array


SAME: dict[str, Any] = {
    **{
        kind: WHOLE.astype(kind)
        for kind in ("u1", "<u2", ">i2", "<i8", "<u8", ">f4", "<f4", ">f8", "<f2", np.dtype(np.longdouble).str)
    },
    "turned twice": WHOLE[::-1, :, ::-1].copy()[::-1, :, ::-1],
    "axes in another order": WHOLE.astype(float).transpose(2, 1, 0).copy().transpose(2, 1, 0),
    "Fortran order": np.asfortranarray(WHOLE),
    "read-only": read_only(),
    "with a channel": WHOLE[None],
    "masked, but nowhere": np.ma.masked_array(WHOLE, np.zeros(SHAPE, bool)),
    "torch, with a gradient": torch.tensor(WHOLE, dtype=torch.float32, requires_grad=True),
    "torch, float64": torch.tensor(WHOLE, dtype=torch.float64),
    "torch, bfloat16": torch.tensor(WHOLE).to(torch.bfloat16),
    "torch, in another order": torch.tensor(WHOLE.transpose(2, 1, 0).copy()).permute(2, 1, 0),
}


@pytest.mark.parametrize("form", SAME)
def test_the_values_are_the_same_in_every_type_and_layout(form: str) -> None:
    given = SAME[form]
    found = array_as_input(given, None, RECIPE)
    assert found.volume.dtype == torch.float32
    assert np.array_equal(found.volume[0].numpy(), WHOLE)
    found.volume.zero_()
    values = given.detach().float().numpy() if isinstance(given, torch.Tensor) else given
    assert np.array_equal(np.reshape(values, SHAPE), WHOLE), "it is a copy"


def test_true_and_false_are_one_and_zero() -> None:
    found = array_as_input(WHOLE > 100, None, RECIPE)
    assert np.array_equal(found.volume[0].numpy(), (WHOLE > 100).astype(np.float32))


def changed(**entries: float) -> np.ndarray:
    """A unit affine with some entries changed, `r2c0=5` say."""
    affine = np.eye(4)
    for name, value in entries.items():
        affine[int(name[1]), int(name[3])] = value
    return affine


@pytest.mark.parametrize(
    ("array", "affine", "error", "message"),
    [
        (WHOLE.astype(complex), None, UsageError, "must hold real numbers, got dtype complex128"),
        (WHOLE.astype(object), None, UsageError, "got dtype object"),
        (WHOLE.astype(str), None, UsageError, "got dtype <U"),
        (WHOLE.astype("m8[s]"), None, UsageError, r"got dtype timedelta64\[s\]"),
        (np.zeros(SHAPE, [("red", "u1")]), None, UsageError, "got dtype .*red"),
        (np.ma.masked_array(WHOLE, WHOLE > 100), None, UsageError, r"has masked voxels: fill them"),
        (torch.tensor(WHOLE).to(torch.complex64), None, UsageError, "must hold real numbers.*complex64"),
        (torch.tensor(WHOLE).to_sparse(), None, UsageError, "layout torch.sparse_coo"),
        (torch.empty(SHAPE, device="meta"), None, UsageError, "on device meta"),
        (WHOLE[..., None], None, UsageError, r"must have the shape of the recipe, \(6, 7, 5\), got \(6, 7, 5, 1\)"),
        (WHOLE[:0], None, UsageError, r"got \(0, 7, 5\)"),
        (np.where(WHOLE > 100, np.nan, 1.0), None, InputError, "voxels that are not finite"),
        (WHOLE * 1e300, None, InputError, "210 voxels that are not finite"),
        (WHOLE, np.zeros((4, 4)), UsageError, "that can be inverted"),
        (WHOLE, np.eye(3), UsageError, "4x4 matrix"),
        (WHOLE, np.eye(4) * 1j, UsageError, "4x4 matrix"),
        (WHOLE, [[1, 2], [3]], UsageError, r"got \[\[1, 2\], \[3\]\]"),
        (WHOLE, "mni", UsageError, "got 'mni'"),
        (WHOLE, changed(r3c3=2), UsageError, "the last row 0 0 0 1"),
        (WHOLE, changed(r1c3=np.nan), UsageError, "4x4 matrix"),
        (WHOLE, changed(r1c1=0), UsageError, "that can be inverted"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(
    array: Any, affine: Any, error: type[InterpbenchError], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        array_as_input(array, affine, RECIPE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("affine", [changed(r0c1=0.7), changed(r0c0=-1), np.diag([1e-4, 1e-4, 1e-4, 1]), torch.eye(4)])
def test_any_affine_that_can_be_inverted_is_taken_as_it_is(affine: Any) -> None:
    assert np.array_equal(array_as_input(WHOLE, affine, RECIPE).affine, np.asarray(affine))
