"""Labels on another grid: repeated by finer voxels, picked by coarser ones, never mixed, and 0 beyond."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from interpbench.errors import InputError
from interpbench.images.atlas import LabelImage, read_labels

SHAPE = (4, 5, 6)
MOST = 2**24 - 1


def labels(most: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most, SHAPE)


def image(values: np.ndarray, affine: np.ndarray | None = None) -> LabelImage:
    return LabelImage(Path("labels.nii.gz"), values, np.eye(4) if affine is None else affine)


def finer(factor: int) -> np.ndarray:
    """A grid with `factor` voxels for each of the labels' along every edge."""
    affine = np.diag([1 / factor, 1 / factor, 1 / factor, 1.0])
    affine[:3, 3] = -0.5 + 0.5 / factor
    return affine


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_on_finer_voxels_every_label_is_repeated(factor: int) -> None:
    found = image(labels()).on(finer(factor), [edge * factor for edge in SHAPE])
    assert np.array_equal(found, labels().repeat(factor, 0).repeat(factor, 1).repeat(factor, 2))


@pytest.mark.parametrize("factor", [3, 5])  # odd: a coarse voxel's centre is that of one of its own
def test_what_was_repeated_comes_back(factor: int) -> None:
    fine = labels().repeat(factor, 0).repeat(factor, 1).repeat(factor, 2)
    assert np.array_equal(image(fine, finer(factor)).on(np.eye(4), SHAPE), labels())


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (0, 0, 3), (2, -1, -4), (9, 0, 0), (-4, 5, 6)])
def test_whole_voxels_of_shift_move_labels_and_leave_0_behind(shift: tuple[int, int, int]) -> None:
    affine = np.eye(4)
    affine[:3, 3] = shift
    found = image(labels() + 1).on(affine, SHAPE)
    for index in np.ndindex(SHAPE):
        there = tuple(at + step for at, step in zip(index, shift, strict=True))
        within = all(0 <= at < edge for at, edge in zip(there, SHAPE, strict=True))
        assert found[index] == (labels()[there] + 1 if within else 0)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("flipped", list(itertools.product((False, True), repeat=3)))
def test_a_centre_on_a_border_belongs_to_the_right_front_or_above(axis: int, flipped: tuple[bool, ...]) -> None:
    values, own = labels(), np.eye(4)
    for along in np.flatnonzero(flipped):
        values = np.flip(values, along)
        own[:3, 3] += own[:3, along] * (SHAPE[along] - 1)
        own[:3, along] *= -1
    affine = np.eye(4)
    affine[axis, 3] = 0.5
    found = image(values, own).on(affine, SHAPE)
    expected = np.roll(labels(), -1, axis)
    expected[(slice(None),) * axis + (-1,)] = 0
    assert np.array_equal(found, expected)


def test_no_label_is_made_up_however_the_grid_lies() -> None:
    values = np.where(labels(2) == 0, 3, 1000)
    turn = np.array([[0.6, -0.8, 0, 1.1], [0.8, 0.6, 0, 0.3], [0, 0.1, 0.7, 0.2], [0, 0, 0, 1.0]])
    found = image(values).on(turn, (6, 6, 6))
    assert set(np.unique(found).tolist()) == {0, 3, 1000}


@pytest.mark.parametrize("value", [1, 2**15, 2**16 + 1, MOST - 1, MOST])
def test_large_labels_stay_exact_in_the_file_and_on_another_grid(value: int, tmp_path: Path) -> None:
    values = np.zeros(SHAPE, dtype=np.int32)
    values[1:3, 2:4, 3] = value
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "labels.nii.gz")
    read = read_labels(tmp_path / "labels.nii.gz")
    assert read.values.dtype == np.int64 and np.array_equal(read.values, values)
    found = read.on(finer(2), [2 * edge for edge in SHAPE])
    assert (found == value).sum() == 8 * 4 and set(np.unique(found).tolist()) == {0, value}


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (-1.0, "-1"), (MOST + 1, "16777216"), (0.1, "0.1")])
def test_what_is_no_label_is_refused_by_the_name_that_the_message_is_given(
    value: float, text: str, tmp_path: Path
) -> None:
    values = np.zeros(SHAPE, dtype=np.float32)
    values[0, 0, :2] = value
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "größe.nii.gz")
    with pytest.raises(
        InputError, match=rf"größe\.nii\.gz: is not a segmentation: .*{MOST}, 2 voxels .* such as {text}\."
    ):
        read_labels(tmp_path / "größe.nii.gz", what="a segmentation")


def test_the_same_grid_but_for_rounding_gives_the_labels_themselves() -> None:
    given = image(labels(), np.diag([1.0, 1.0, 1.2, 1.0]))
    near = given.affine + 1e-6
    near[3] = [0, 0, 0, 1]
    assert given.on(near, SHAPE) is given.values
    larger = given.on(near, (5, 5, 6))
    assert np.array_equal(larger[:4], labels()) and not larger[4].any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 6), (4, 1, 1)])
def test_an_image_one_voxel_thick_ends_half_a_voxel_from_its_middle(shape: tuple[int, int, int]) -> None:
    affine = np.diag([0.25, 0.25, 0.25, 1.0])
    affine[:3, 3] = -1.0 + 0.125
    found = image(np.full(shape, 7)).on(affine, (40, 40, 40)) == 7
    assert found.sum() == 64 * np.prod(shape)  # 4 by 4 by 4 in each voxel
    assert [int(places.min()) for places in np.nonzero(found)] == [2, 2, 2]  # from -0.5 on
