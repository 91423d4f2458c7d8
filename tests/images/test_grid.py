"""Voxels moved between two grids of one world: bit by bit where they share a lattice, else exact for linear fields."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from interpbench.images.grid import (
    box_affine,
    image_axes,
    is_orientation,
    middle_of,
    move,
    move_all,
    share_outside,
    snapped,
)

ALL_48 = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]
SHAPE = (6, 7, 8)


def affine_of(zooms=(1.0, 1.0, 1.0), angles=(0, 0, 0), origin=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(zooms)
    affine[:3, 3] = origin
    return affine


def places(affine, shape):
    """World coordinates `(*shape, 3)` of every voxel."""
    index = np.stack(np.meshgrid(*(np.arange(edge) for edge in shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def test_there_are_48_orientations_and_no_others():
    assert len(ALL_48) == 48 and all(map(is_orientation, ALL_48))
    assert not any(map(is_orientation, ["", "RA", "RAR", "RLS", "XAS", "ras", "RASS"]))


@pytest.mark.parametrize("codes", ALL_48)
def test_a_box_has_its_orientation_size_and_centre(codes):
    affine = box_affine(SHAPE, 2.5, codes, (3, -4, 5))
    assert "".join(nib.aff2axcodes(affine)) == codes
    assert np.allclose(nib.affines.voxel_sizes(affine), 2.5)
    assert np.allclose(places(affine, SHAPE).mean(axis=(0, 1, 2)), (3, -4, 5))


@pytest.mark.parametrize("codes", ALL_48)
def test_turned_voxels_keep_their_bits_as_nibabel_turns_them(codes):
    data = torch.randn(SHAPE)
    affine = affine_of((2, 2, 2), origin=(1, 2, 3))
    turn = axcodes2ornt(tuple(codes))
    wanted = apply_orientation(data.numpy(), turn)
    there = affine @ inv_ornt_aff(turn, SHAPE)
    moved = move(data, affine, there, wanted.shape)
    assert np.array_equal(moved.numpy(), wanted)
    assert torch.equal(move(moved, there, affine, SHAPE), data)


def test_an_oblique_lattice_is_moved_exactly_too():
    affine = affine_of((1.1, 1.1, 1.1), angles=(10, -20, 30), origin=(5, 6, 7))
    there = affine.copy()
    there[:3, 3] += affine[:3, :3] @ (2, -1, 3)
    data = torch.randn(SHAPE)
    moved = move(data, affine, there, (5, 9, 4))
    wanted = torch.zeros(5, 9, 4)
    wanted[:4, 1:8, :4] = data[2:6, :, 3:7]
    assert torch.equal(moved, wanted)


def test_grids_that_do_not_meet_give_zeros():
    affine = np.eye(4)
    for far in (100.0, -100.0):
        there = affine.copy()
        there[0, 3] = far
        assert not move(torch.ones(SHAPE), affine, there, (3, 4, 5)).any()


def test_a_mask_stays_a_mask_where_voxels_are_only_moved():
    moved = move(torch.ones(SHAPE, dtype=torch.bool), np.eye(4), np.eye(4), (8, 8, 8))
    assert moved.dtype == torch.bool and int(moved.sum()) == 6 * 7 * 8


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(
    ("zooms", "angles", "voxel_size"),
    [
        ((1, 1, 1), (0, 0, 0), 2.0),
        ((1, 1, 1), (0, 0, 0), 0.7),
        ((0.9, 1.2, 3.0), (0, 0, 0), 1.5),
        ((1, 1, 1), (10, -25, 5), 1.0),
        ((0.94, 0.94, 1.2), (3, 8, -70), 2.0),
    ],
)
def test_a_linear_field_of_the_world_comes_over_exactly(zooms, angles, voxel_size, smooth):
    shape = (24, 26, 22)
    affine = affine_of(zooms, angles, (-11, 4, 9))
    slope = np.array([0.3, -0.7, 0.5])
    field = torch.from_numpy((places(affine, shape) @ slope + 4).astype(np.float32))
    centre = places(affine, shape).mean(axis=(0, 1, 2))
    there = box_affine((4, 3, 5), voxel_size, "PSR", centre)
    moved = move(field, affine, there, (4, 3, 5), smooth=smooth)
    assert np.allclose(moved.numpy(), places(there, (4, 3, 5)) @ slope + 4, atol=2e-4)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("voxel_size", "shift"), [(2.0, 4.0), (2.0, 0.7), (3.3, 0.7)])
def test_several_images_come_over_as_each_of_them_alone(voxel_size, shift, smooth):
    source, shape = box_affine((9, 8, 7), 2.0, "RAS", (0, 0, 0)), (6, 8, 7)
    wanted = box_affine(shape, voxel_size, "PSR", (shift, 0, 0))
    image = torch.randn(9, 8, 7, generator=torch.Generator().manual_seed(0))
    images = [image, image > 0, image.square()]
    moved = move_all(images, source, wanted, shape, smooth=smooth)
    for one, found in zip(images, moved, strict=True):
        alone = move(one, source, wanted, shape, smooth=smooth)
        assert found.dtype == alone.dtype and torch.equal(found, alone)


def test_smoothing_averages_noise_before_larger_voxels_and_plain_moving_does_not():
    noise = torch.randn((48, 52, 44), generator=torch.Generator().manual_seed(0))
    affine, shape = np.eye(4), (8, 9, 7)
    there = box_affine(shape, 4.0, "RAS", (24, 26, 22))
    assert move(noise, affine, there, shape, smooth=True).std() < 0.5 * move(noise, affine, there, shape).std()
    assert torch.equal(move(noise, affine, affine, noise.shape, smooth=True), noise)


def test_the_share_outside_and_the_middle_are_those_of_the_voxels():
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    inside[1:5, 2:4, 3:8] = True
    affine = affine_of((2, 3, 4), origin=(10, 20, 30))
    assert np.allclose(middle_of(inside, affine), np.array([2.5, 2.5, 5]) * (2, 3, 4) + (10, 20, 30))
    assert share_outside(inside, affine, affine, SHAPE) == 0
    assert share_outside(inside, affine, affine, (3, 7, 8)) == pytest.approx(0.5)


@pytest.mark.parametrize("codes", ALL_48[::5])
def test_an_images_own_axes_are_right_front_and_up(codes):
    turn = axcodes2ornt(tuple(codes))
    affine = affine_of((1, 2, 3), angles=(12, -9, 20)) @ inv_ornt_aff(turn, SHAPE)
    axes = image_axes(affine)
    assert np.allclose(axes, Rotation.from_euler("xyz", (12, -9, 20), degrees=True).as_matrix())


def test_the_axes_of_a_sheared_image_are_at_right_angles():
    affine = np.eye(4)
    affine[0, 1] = 0.2
    axes = image_axes(affine)
    assert np.allclose(axes.T @ axes, np.eye(3))


def test_snapping_moves_a_grid_onto_the_lattice_by_half_a_voxel_at_most():
    source = affine_of((2, 2, 2), angles=(5, 0, 0), origin=(0.3, 0.4, 0.5))
    loose = box_affine(SHAPE, 2.0, "LPS", (7.7, 8.8, 9.9), image_axes(source))
    tight = snapped(loose, source)
    index = (np.linalg.inv(source) @ tight)[:3]
    assert np.allclose(index, np.rint(index), atol=1e-6)
    assert np.linalg.norm(tight[:3, 3] - loose[:3, 3]) <= np.sqrt(3) + 1e-9
    assert np.array_equal(io_orientation(tight), io_orientation(loose))


def test_snapping_leaves_another_voxel_size_alone():
    loose = box_affine(SHAPE, 2.5, "RAS", (7.7, 8.8, 9.9))
    assert np.array_equal(snapped(loose, np.eye(4)), loose)


@pytest.mark.parametrize("codes", ALL_48)
def test_from_half_way_snapping_goes_the_same_way_however_the_image_is_stored(codes):
    source = np.diag([2.0, 2.0, 2.0, 1.0])
    stored = source @ inv_ornt_aff(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)), SHAPE)
    loose = box_affine((4, 5, 6), 2.0, "LPS", (8.0, 9.0, 10.0))
    assert np.abs(snapped(loose, source) - loose).max() == 1.0
    assert np.allclose(snapped(loose, stored), snapped(loose, source), atol=1e-9)


@pytest.mark.parametrize(
    ("source", "axis"),
    [((6, 7, 8), 0), ((6, 7, 8), 1), ((6, 7, 8), 2), ((6, 7, 1), 0), ((6, 7, 1), 1), ((1, 7, 8), 1), ((1, 7, 8), 2)],
)
def test_a_grid_of_one_voxel_along_an_axis_lies_where_its_affine_says(source: tuple[int, ...], axis: int) -> None:
    values = torch.rand(source, generator=torch.Generator().manual_seed(0))
    shape = [*source]
    shape[axis] = 1
    for place in (0.25, 1.5, 2.75):
        wanted = np.eye(4)
        wanted[axis, 3] = place
        below, share = int(place), place % 1
        expected = values.select(axis, below) * (1 - share) + values.select(axis, below + 1) * share
        found = move(values, np.eye(4), wanted, shape)
        assert tuple(found.shape) == tuple(shape)
        torch.testing.assert_close(found.select(axis, 0), expected)


@pytest.mark.parametrize("voxel", [1e3, 1e9, 1e15])
def test_a_voxel_far_larger_than_the_image_is_filled_at_once(voxel: float) -> None:
    values = torch.rand(6, 7, 8, generator=torch.Generator().manual_seed(0))
    wanted = np.diag([voxel, voxel, voxel, 1.0])
    wanted[:3, 3] = [2.5, 3.0, 3.5]
    found = move(values, np.eye(4), wanted, (1, 1, 1), smooth=True)
    assert float(values.min()) < float(found) < float(values.max())
