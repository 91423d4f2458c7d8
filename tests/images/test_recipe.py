"""From a file to the network's grid and back: in place in the world, exact where it can be, normalised as said."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass

from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.images.recipe import Recipe
from interpbench.images.volume import write_map

ALL_48 = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]
SLOPE = np.array([0.5, -0.3, 0.8])  # of the field `linear`
IN_VOXEL = 0.5005  # of a voxel from its centre: what lies on a face lies in both
ON_LATTICE = (4.0, -8.0, 5.0)  # the middle of a box of even edge lies between two voxels

# zooms (mm), angles (degrees), shape of the file's grid
GEOMETRIES = {
    "same voxels": ((2, 2, 2), (0, 0, 0), (22, 26, 20)),
    "anisotropic": ((1.0, 1.2, 3.0), (0, 0, 0), (44, 42, 14)),
    "oblique": ((1.5, 1.5, 1.5), (8, -15, 20), (30, 34, 28)),
    "oblique, same voxels": ((2, 2, 2), (8, -15, 20), (22, 26, 20)),
    "coarse": ((3, 4, 3), (0, 0, 5), (15, 13, 14)),
}


def largest_covered(linear, affine, voxels, grid, edges):
    """The linear field as a map comes back: its value at each voxel; in one larger than the grid's, its largest there.

    Along axes on which the voxel is larger, the field is looked at where the grid's planes lie in it, or, where the
    grids lie oblique to one another, where its centres do.
    """
    larger = np.linalg.norm(affine[:3, :3], axis=0) > 2.01
    index = nib.affines.apply_affine(np.linalg.inv(affine) @ grid, np.indices(edges).reshape(3, -1).T)
    if larger.all():
        field = linear(grid, edges).ravel()
        return [field[(np.abs(index - voxel) < IN_VOXEL).all(axis=1)].max() for voxel in voxels]
    found = []
    for voxel in voxels:
        planes = [
            some[np.abs(some - place) < IN_VOXEL] if long else [place]
            for some, place, long in zip(index.T, voxel, larger, strict=True)
        ]
        ends = np.array(list(product(*((min(some), max(some)) for some in planes))))  # a linear field has its largest
        found.append((nib.affines.apply_affine(affine, ends) @ SLOPE + 100).max())
    return found


def saved(folder, affine, data, mask=None, name="image.nii.gz"):
    write_map(folder / name, data, affine=affine)
    if mask is None:
        return folder / name, None
    write_map(folder / f"mask_{name}", mask.astype(np.float32), affine=affine)
    return folder / name, folder / f"mask_{name}"


def recipe(**changes):
    return Recipe(**{"shape": (18, 19, 17), "voxel_size": 2.0, "centre": (3.0, -8.0, 5.0), **changes})


@pytest.mark.parametrize("centre", [None, (3.0, -8.0, 5.0)])
@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR", "IRP"])
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_voxels_lie_where_they_lay_in_the_world_on_the_way_there_and_back(
    tmp_path, geometry, codes, centre, affine_of, linear, ball
):
    affine, shape = affine_of(*geometry, codes=codes)
    assert "".join(nib.aff2axcodes(affine)) == codes
    inside = ball(affine, shape)
    prepared = recipe(normalise="none", centre=centre).prepare(*saved(tmp_path, affine, linear(affine, shape), inside))
    grid = prepared.affine
    assert "".join(nib.aff2axcodes(grid)) == "RAS" and np.allclose(nib.affines.voxel_sizes(grid), 2.0)
    brain = prepared.brain.numpy()
    core = ball(grid, brain.shape, radius=9.0)
    assert core.sum() > 100 and brain[core].all()
    assert np.allclose(prepared.volume[0].numpy()[core], linear(grid, brain.shape)[core], atol=1e-3)
    assert not prepared.volume[0].numpy()[~brain].any()

    back = prepared.to_source_grid(linear(grid, brain.shape))
    core = ball(affine, shape, radius=9.0)
    assert back.shape == shape and back.dtype == np.float32
    assert np.allclose(back[core], largest_covered(linear, affine, np.argwhere(core), grid, brain.shape), atol=1e-3)

    again = prepared.to_network_grid(linear(affine, shape))
    core = ball(grid, brain.shape, radius=9.0)
    assert np.allclose(again.numpy()[core], linear(grid, brain.shape)[core], atol=1e-3)


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_blobs_centre_moves_by_less_than_a_tenth_of_a_voxel_on_the_way_back_and_half_of_a_larger_one(
    tmp_path, geometry, affine_of, world_of, linear, ball
):
    affine, shape = affine_of(*geometry, codes="PSR")
    prepared = recipe().prepare(*saved(tmp_path, affine, linear(affine, shape), ball(affine, shape)))
    there = np.array([4.0, -5.0, 6.0])
    blob = np.exp(-(((world_of(prepared.affine, prepared.brain.shape) - there) / 3) ** 2).sum(axis=-1) / 2)
    back = prepared.to_source_grid(blob)
    found = affine[:3, :3] @ center_of_mass(back) + affine[:3, 3]
    larger = min(geometry[0]) > 2
    assert np.abs(found - there).max() < (0.5 * min(geometry[0]) if larger else 0.2)
    assert back.max() >= (blob.max() if larger else 0.9 * blob.max())


@pytest.mark.parametrize("codes", ALL_48)
def test_where_voxel_sizes_match_every_bit_survives_the_round_trip(tmp_path, codes, affine_of, world_of):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20), codes=codes)
    data = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    prepared = recipe(centre=ON_LATTICE, normalise="none").prepare(*saved(tmp_path, affine, data))
    there = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), world_of(prepared.affine, (18, 19, 17))))
    assert np.array_equal(prepared.volume[0].numpy(), data[tuple(np.moveaxis(there.astype(int), -1, 0))])
    importance = 1 + torch.rand(18, 19, 17)  # none is 0
    assert torch.equal(prepared.to_network_grid(prepared.to_source_grid(importance)), importance)
    assert np.count_nonzero(prepared.to_source_grid(importance)) == 18 * 19 * 17


def test_the_way_back_needs_no_voxels_of_the_image(tmp_path, affine_of, linear, ball):
    for geometry in GEOMETRIES.values():
        affine, shape = affine_of(*geometry, codes="LPI")
        prepared = recipe().prepare(*saved(tmp_path, affine, linear(affine, shape), ball(affine, shape)))
        bare = prepared.without_voxels()
        importance = torch.randn(prepared.brain.shape)
        assert np.array_equal(bare.to_source_grid(importance), prepared.to_source_grid(importance))
        assert bare.warnings == prepared.warnings
        held = (bare.volume, bare.brain, bare.source.data)
        assert sum(tensor.untyped_storage().nbytes() for tensor in held) == 9  # two numbers and a truth value
        for name, source in (("bare", bare.source), ("whole", prepared.source)):
            write_map(tmp_path / f"{name}.nii.gz", prepared.to_source_grid(importance), like=source)
        assert (tmp_path / "bare.nii.gz").read_bytes() == (tmp_path / "whole.nii.gz").read_bytes()


@pytest.mark.parametrize("geometry", ["same voxels", "oblique, same voxels"])
def test_a_box_around_the_own_brain_is_laid_on_the_images_lattice(tmp_path, geometry, affine_of, linear, ball):
    affine, shape = affine_of(*GEOMETRIES[geometry], codes="LPI")
    data = linear(affine, shape)
    prepared = recipe(centre=None, normalise="none").prepare(*saved(tmp_path, affine, data, ball(affine, shape)))
    assert torch.equal(prepared.to_network_grid(data) * prepared.brain, prepared.volume[0])
    importance = torch.randn(prepared.brain.shape)
    assert torch.equal(prepared.to_network_grid(prepared.to_source_grid(importance)), importance)


def test_a_fixed_box_is_the_same_for_every_image(tmp_path, affine_of, linear, ball):
    grids = []
    for number, geometry in enumerate(GEOMETRIES.values()):
        affine, shape = affine_of(*geometry)
        files = saved(tmp_path, affine, linear(affine, shape), ball(affine, shape), name=f"{number}.nii.gz")
        grids.append(recipe().prepare(*files).affine)
    assert all(np.array_equal(grid, grids[0]) for grid in grids)


def test_a_fixed_box_far_from_the_brain_is_given_up_with_a_warning(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    files = saved(tmp_path, affine, linear(affine, shape), ball(affine, shape))
    prepared = recipe(centre=(3.0, 12.0, 5.0)).prepare(*files)
    assert "around this brain" in prepared.warnings[-1]
    assert np.array_equal(prepared.brain.numpy(), recipe(centre=None).prepare(*files).brain.numpy())
    assert int(prepared.brain.sum()) == int(ball(affine, shape).sum())


def test_a_box_too_small_for_the_brain_is_noted(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    files = saved(tmp_path, affine, linear(affine, shape), ball(affine, shape))
    assert "lies outside" in recipe(shape=(8, 8, 8), centre=None).prepare(*files).warnings[-1]


def test_brain_normalisation_has_mean_zero_and_variance_one_inside_and_zero_outside(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    prepared = recipe().prepare(*saved(tmp_path, affine, linear(affine, shape), ball(affine, shape)))
    values = prepared.volume[0][prepared.brain].double()
    assert abs(values.mean()) < 1e-6 and abs(values.std(correction=0) - 1) < 1e-6
    assert not prepared.volume[0][~prepared.brain].any()
    assert prepared.volume.dtype == torch.float32 and prepared.volume.shape == (1, 18, 19, 17)


def test_volume_normalisation_is_over_the_whole_box(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    files = saved(tmp_path, affine, linear(affine, shape), ball(affine, shape))
    volume = recipe(normalise="volume").prepare(*files).volume.double()
    plain = recipe(normalise="none").prepare(*files).volume.double()
    assert torch.allclose(volume, (plain - plain.mean()) / plain.std(correction=0), atol=1e-5)


def test_an_unapplied_mask_leaves_the_head_and_normalises_by_the_brain(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    head = np.where(ball(affine, shape, radius=16), linear(affine, shape), 0.0)
    files = saved(tmp_path, affine, head, ball(affine, shape, radius=10))
    prepared = recipe(centre=ON_LATTICE, apply_mask=False).prepare(*files)
    plain = recipe(centre=ON_LATTICE, normalise="none", apply_mask=False).prepare(*files).volume[0]
    brain = plain[prepared.brain]
    wanted = (plain - brain.mean()) / brain.std(correction=0)
    kept = torch.from_numpy(ball(prepared.affine, (18, 19, 17), radius=16))
    assert int(prepared.brain.sum()) < int(kept.sum())
    assert torch.allclose(prepared.volume[0][kept], wanted[kept], atol=1e-4)
    assert not prepared.volume[0][~kept].any()


def test_without_a_mask_the_brain_is_what_is_not_background_with_holes_filled(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    whole = ball(affine, shape)
    data = np.where(whole & ~ball(affine, shape, radius=3), linear(affine, shape), 0.0)
    prepared = recipe().prepare(*saved(tmp_path, affine, data))
    with_mask = recipe().prepare(*saved(tmp_path, affine, data, whole))
    assert torch.equal(prepared.brain, with_mask.brain) and torch.equal(prepared.volume, with_mask.volume)


def test_an_image_without_background_or_mask_is_all_brain_and_says_so(tmp_path, affine_of, linear):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    prepared = recipe().prepare(*saved(tmp_path, affine, linear(affine, shape)))
    assert "every voxel counts as brain" in prepared.warnings[0] and bool(prepared.brain.all())


def test_one_value_in_the_brain_is_refused(tmp_path, affine_of, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    image, mask = saved(tmp_path, affine, ball(affine, shape).astype(np.float32) * 7, ball(affine, shape))
    with pytest.raises(InputError, match="the same value") as caught:
        recipe(centre=ON_LATTICE).prepare(image, mask)
    assert str(image) in str(caught.value)


def test_a_mask_of_noughts_or_on_another_grid_is_refused(tmp_path, affine_of, linear):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    image, mask = saved(tmp_path, affine, linear(affine, shape), np.zeros(shape))
    with pytest.raises(InputError, match="empty mask"):
        recipe().prepare(image, mask)
    write_map(mask, np.ones(shape), affine=affine + np.diag([0.1, 0, 0, 0]))
    with pytest.raises(InputError, match="another grid"):
        recipe().prepare(image, mask)


def test_a_subject_brings_its_own_mask(tmp_path, affine_of, linear, ball):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    image, mask = saved(tmp_path, affine, linear(affine, shape), ball(affine, shape))
    one, other = recipe().prepare(Subject("01", image, mask=mask)), recipe().prepare(image, mask)
    assert torch.equal(one.volume, other.volume) and one.source.path == image


def test_a_map_of_another_shape_is_a_bug(tmp_path, affine_of, linear):
    affine, shape = affine_of((2, 2, 2), (0, 0, 0), (22, 26, 20))
    prepared = recipe().prepare(*saved(tmp_path, affine, linear(affine, shape)))
    with pytest.raises(ValueError, match=r"\(18, 19, 17\)"):
        prepared.to_source_grid(torch.zeros(19, 18, 17))
    with pytest.raises(ValueError, match=r"\(22, 26, 20\)"):
        prepared.to_network_grid(np.zeros((18, 19, 17)))
