"""Whatever a mask's file holds, it is read by one rule, and told where it is more than inside and outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift

from interpbench.doubts import ODD_MASK, kind_of
from interpbench.errors import InputError
from interpbench.images.brain import read_mask
from interpbench.images.mask_rules import inside_mask
from interpbench.images.volume import read_volume, write_map

SHAPE = (14, 16, 18)
AXES = np.meshgrid(*(np.linspace(-1.4, 1.4, edge) for edge in SHAPE), indexing="ij")
BRAIN = sum(axis**2 for axis in AXES) < 1
SOFT = gaussian_filter(BRAIN.astype(np.float32), 1.2)
HALVES = np.where(AXES[0] < 0, 3, 42)
MANY = np.clip((np.indices(SHAPE)[0] // 3) * 7 + (np.indices(SHAPE)[1] // 3), 1, None)  # pieces of one label each
NEAR = SOFT >= 0.5
LITRE = 1e-3  # a voxel: 1 ml

SPECK = BRAIN & (np.indices(SHAPE).sum(axis=0) == 24) & (np.indices(SHAPE)[0] == 6)
NEAR_HALF = np.greater_equal(SOFT, SOFT.max() / 2)
BELOW = SOFT * 3 - 1
RIPPLED = np.rint(shift(BRAIN * 255.0, (0.3, 0.4, 0.2), order=3))  # its values are alike where the ripple fades

HELD = {
    "0 and 1": (BRAIN * 1.0, BRAIN, None),
    "0 and 255": (BRAIN * 255.0, BRAIN, None),
    "0 and a fraction": (BRAIN * 0.3, BRAIN, None),
    "0 and -1, as 255 in signed bytes": (BRAIN * -1.0, BRAIN, "holds -1 and 0"),
    "1 and 2": (BRAIN + 1.0, BRAIN, "not 0"),
    "fractions": (SOFT, NEAR, None),
    "fractions with overshoot": (SOFT * 1.1 - 0.04, SOFT * 1.1 - 0.04 >= 0.5, "not exactly fractions"),
    "percent": (SOFT * 100, NEAR_HALF, "at least half the maximum"),
    "whole percent": (
        np.rint(SOFT * 100),
        np.rint(SOFT * 100) >= np.rint(SOFT * 100).max() / 2,
        "at least half the maximum",
    ),
    "soft bytes": (
        np.rint(SOFT * 255),
        np.rint(SOFT * 255) >= np.rint(SOFT * 255).max() / 2,
        "at least half the maximum",
    ),
    "two labels": (BRAIN * HALVES, BRAIN, "2 labels"),
    "many labels": (BRAIN * MANY, BRAIN, "labels"),
    "labels below zero": (BRAIN * np.where(AXES[0] < 0, -3, 42), BRAIN, "below zero"),
    "fractions far below zero": (BELOW, np.greater_equal(BELOW, BELOW.max() / 2), "below zero"),
    "whole numbers with overshoot": (RIPPLED, np.greater_equal(RIPPLED, RIPPLED.max() / 2), "some below zero"),
    "inverted": (~BRAIN * 1.0, ~BRAIN, "inverted"),
    "everything": (np.ones(SHAPE), np.ones(SHAPE, bool), "there is no background"),
    "next to nothing": (SPECK * 1.0, SPECK, "covers only 0.2%"),
}


@pytest.mark.parametrize("name", HELD)
def test_a_mask_is_read_by_its_values(name: str) -> None:
    values, inside, doubt = HELD[name]
    found, doubts = inside_mask(np.asarray(values, dtype=np.float32), LITRE)
    assert np.array_equal(found, inside)
    assert len(doubts) == (doubt is not None) and all(kind_of(one) == ODD_MASK for one in doubts)
    assert doubt is None or doubt in doubts[0]


def test_a_mask_larger_than_a_brain_is_told() -> None:
    _, doubts = inside_mask(BRAIN.astype(np.float32), 3.0 / BRAIN.sum())
    assert "3.0 litres" in doubts[0]
    assert inside_mask(BRAIN.astype(np.float32), 2.1 / BRAIN.sum())[1] == []


def test_voxels_that_are_no_numbers_are_outside(tmp_path: Path) -> None:
    values = np.where(BRAIN, 1.0, np.nan)
    write_map(tmp_path / "image.nii.gz", SOFT, affine=np.eye(4))
    write_map(tmp_path / "mask.nii.gz", values, affine=np.eye(4))
    found, _ = read_mask(tmp_path / "mask.nii.gz", read_volume(tmp_path / "image.nii.gz"))
    assert np.array_equal(found.numpy(), BRAIN)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2), (0, 1, 2)])
def test_a_mask_may_have_its_axes_in_another_order_and_direction(tmp_path: Path, order, flipped) -> None:
    mask = BRAIN & (AXES[0] + AXES[1] / 2 < 0.3)  # so that every way shows
    affine = np.array([[2.0, 0, 0, -9], [0, 2.5, 0, 4], [0, 0, 3, 1], [0, 0, 0, 1]])
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    stored = np.flip(mask.transpose(order), flipped)
    for place, axis in enumerate(order):
        turn[axis, place] = -1 if place in flipped else 1
        turn[axis, 3] = SHAPE[axis] - 1 if place in flipped else 0
    write_map(tmp_path / "image.nii.gz", SOFT, affine=affine)
    write_map(tmp_path / "mask.nii.gz", stored * 1.0, affine=affine @ turn)
    found, doubts = read_mask(tmp_path / "mask.nii.gz", read_volume(tmp_path / "image.nii.gz"))
    assert torch.equal(found, torch.from_numpy(mask)) and doubts == ()


@pytest.mark.parametrize("change", ["cropped", "shifted", "larger voxels", "turned a little"])
def test_a_mask_on_another_grid_is_refused_and_says_where_both_lie(tmp_path: Path, change: str) -> None:
    affine, stored = np.diag([2.0, 2, 2, 1]), BRAIN * 1.0
    if change == "cropped":
        stored = stored[2:-2]
    affine[0, 3] += 4 * (change == "shifted")
    affine[:3] *= 1.1 if change == "larger voxels" else 1
    affine[0, 1] = 0.3 * (change == "turned a little")
    write_map(tmp_path / "image.nii.gz", SOFT, affine=np.diag([2.0, 2, 2, 1]))
    write_map(tmp_path / "mask.nii.gz", stored, affine=affine)
    with pytest.raises(InputError, match=r"another grid .*first voxel at .* mm"):
        read_mask(tmp_path / "mask.nii.gz", read_volume(tmp_path / "image.nii.gz"))
