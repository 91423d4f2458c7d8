"""Files in the template's space come to the network's grid, or are refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nibabel.processing import resample_from_to

from interpbench import InputError, Recipe, write_map
from interpbench.images.grid import box_affine
from interpbench.kit import read_atlas, read_population_map

SHAPE = (6, 7, 8)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0, centre=(-3.0, 5.0, 2.0))
AFFINE = box_affine(SHAPE, 4.0, "RAS", RECIPE.centre)


def labels(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, shape).astype(np.int16)


def write(folder: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path = folder / "atlas.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def fine_atlas(origin: tuple[float, float, float]) -> nibabel.Nifti1Image:
    """Labels in blocks of 1.5 x 2 x 1.1 mm around the network's box, lying aslant to it."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    affine = turn @ np.diag([1.5, 2.0, 1.1, 1])
    affine[:3, 3] = origin
    return nibabel.Nifti1Image(labels((20, 18, 30)), affine)


def test_labels_on_the_networks_own_grid_stay_as_they_are(tmp_path: Path) -> None:
    found = read_atlas(write(tmp_path, labels()), RECIPE)
    assert found.dtype == torch.int64
    assert np.array_equal(found.numpy(), labels())


@pytest.mark.parametrize("codes", ["LAS", "PSR", "ILP", "RAI"])
@pytest.mark.parametrize("voxel", [4.0, 1.0])  # of 1 mm, every centre of the network's grid lies between two voxels
def test_labels_are_the_same_however_the_atlas_is_turned(tmp_path: Path, codes: str, voxel: float) -> None:
    shape = tuple(int(edge * 4 / voxel) for edge in SHAPE)
    image = nibabel.Nifti1Image(labels(shape), box_affine(shape, voxel, "RAS", RECIPE.centre))
    straight = read_atlas(write(tmp_path, np.asarray(image.dataobj), image.affine), RECIPE)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    turned = image.as_reoriented(turn)
    assert "".join(nibabel.aff2axcodes(turned.affine)) == codes
    assert torch.equal(read_atlas(write(tmp_path, np.asarray(turned.dataobj), turned.affine), RECIPE), straight)


def test_a_voxel_takes_the_label_in_which_its_centre_lies(tmp_path: Path) -> None:
    image = fine_atlas((-14.3, -8.1, -13.7))
    path = tmp_path / "fine.nii.gz"
    nibabel.save(image, path)
    found = read_atlas(path, RECIPE)
    voxels, inverse = np.asarray(image.dataobj), np.linalg.inv(image.affine)
    outside = 0
    for index in np.ndindex(SHAPE):
        place = np.floor((inverse @ AFFINE @ [*index, 1])[:3] + 0.5).astype(int)
        within = bool(((place >= 0) & (place < voxels.shape)).all())
        outside += not within
        assert found[index] == (voxels[tuple(place)] if within else 0)
    assert 0 < outside < found.numel()


def test_resampling_agrees_with_nibabels(tmp_path: Path) -> None:
    image = fine_atlas((-17.31, -16.12, -15.73))
    path = tmp_path / "fine.nii.gz"
    nibabel.save(image, path)
    inner = Recipe(shape=(3, 3, 4), voxel_size=2.7, centre=(-3.0, 2.0, 1.0))  # all of it inside the atlas
    theirs = resample_from_to(image, ((3, 3, 4), box_affine((3, 3, 4), 2.7, "RAS", inner.centre)), order=0)
    assert np.array_equal(read_atlas(path, inner).numpy(), np.asarray(theirs.dataobj))


def test_labels_stored_as_floating_point_numbers_are_read(tmp_path: Path) -> None:
    found = read_atlas(write(tmp_path, labels().astype(np.float32)), RECIPE)
    assert np.array_equal(found.numpy(), labels())


def with_one(value: float) -> np.ndarray:
    voxels = labels().astype(np.float64)
    voxels[1, 2, 3] = value
    return voxels


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (with_one(1.5), r"labels must be integers from 0 to 16777215, 1 voxels have other values, such as 1\.5"),
        (with_one(-2), "such as -2"),
        (with_one(2.0**24), "1 voxels have other values"),
        (with_one(np.nan), "1 voxels are not finite"),
        (np.zeros(SHAPE, np.int16), "no region of this atlas lies in the network's field of view"),
        (np.stack([labels(), labels()], axis=-1), "a 3D image is needed"),
    ],
)
def test_what_is_no_atlas_is_refused(tmp_path: Path, voxels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_atlas(write(tmp_path, voxels), RECIPE)


def test_an_atlas_that_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    far = AFFINE.copy()
    far[0, 3] += 1000
    with pytest.raises(InputError, match="no region of this atlas lies in the network's field of view"):
        read_atlas(write(tmp_path, labels(), far), RECIPE)


@pytest.mark.parametrize("read", [read_atlas, read_population_map])
def test_nothing_fits_images_that_share_no_space(tmp_path: Path, read) -> None:
    native = Recipe(shape=SHAPE, voxel_size=4.0)
    with pytest.raises(InputError, match="the images share no space"):
        read(write(tmp_path, labels()), native)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.nii\.gz: no such file"):
        read_atlas(tmp_path / "none.nii.gz", RECIPE)


def test_a_population_map_comes_back_as_it_was_written(tmp_path: Path) -> None:
    values = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    write_map(tmp_path / "population_mean.nii.gz", values, affine=AFFINE)
    assert torch.equal(read_population_map(tmp_path / "population_mean.nii.gz", RECIPE), values)


@pytest.mark.parametrize(
    "other",
    [
        Recipe(shape=(6, 7, 9), voxel_size=4.0, centre=RECIPE.centre),
        Recipe(shape=SHAPE, voxel_size=2.0, centre=RECIPE.centre),
        Recipe(shape=SHAPE, voxel_size=4.0, centre=(-3.0, 5.0, 2.5)),
        Recipe(shape=SHAPE, voxel_size=4.0, centre=RECIPE.centre, orientation="LAS"),
    ],
)
def test_a_population_map_of_another_grid_is_refused(tmp_path: Path, other: Recipe) -> None:
    write_map(tmp_path / "population_mean.nii.gz", torch.rand(SHAPE), affine=AFFINE)
    with pytest.raises(InputError, match="has another grid"):
        read_population_map(tmp_path / "population_mean.nii.gz", other)


def real_atlas() -> Path:
    root = os.environ.get("INTERPBENCH_DATA")
    if not root:
        pytest.skip("INTERPBENCH_DATA is not set: it names the folder of real images")
    return Path(root) / "atlas" / "HO_sub_plus_cerebellum_1mm.nii.gz"


@pytest.mark.parametrize("voxel", [1.0, 2.0, 3.3])
def test_structures_of_a_real_atlas_keep_side_place_and_volume(voxel: float) -> None:
    path = real_atlas()
    shape = tuple(round(edge / voxel) for edge in (160, 190, 160))
    recipe = Recipe(shape=shape, voxel_size=voxel, centre=(0.0, -18.0, 10.0), orientation="RAS")
    found, affine = read_atlas(path, recipe).numpy(), box_affine(shape, voxel, "RAS", recipe.centre)
    image = nibabel.load(path)
    original = np.asarray(image.dataobj)
    middles = {}
    for label in (8, 9, 19):  # brainstem, left and right hippocampus
        there = nibabel.affines.apply_affine(image.affine, np.argwhere(original == label))
        here = nibabel.affines.apply_affine(affine, np.argwhere(found == label))
        np.testing.assert_allclose(here.mean(axis=0), there.mean(axis=0), atol=0.6)
        assert len(here) * voxel**3 == pytest.approx(len(there), rel=0.05)
        middles[label] = here.mean(axis=0)
    assert middles[9][0] < -15 < 15 < middles[19][0]
