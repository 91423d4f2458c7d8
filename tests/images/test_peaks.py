"""A map's way to larger voxels: every peak keeps its height and sign, and lies in the voxel where it lay."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from interpbench.images.grid import box_affine, move
from interpbench.images.peaks import move_peaks

ALL_48 = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]
SHAPE = (12, 15, 13)
NETWORK = box_affine(SHAPE, 1.5, "RAS", (0.3, -0.2, 0.1))

# voxel edges in mm and turns in degrees; along which axes the voxels are larger than the network's 1.5 mm
GRIDS = {
    "same": ((1.5, 1.5, 1.5), (0, 0, 0), ()),
    "finer": ((0.7, 0.9, 1.0), (0, 0, 0), ()),
    "finer, oblique": ((1.0, 0.8, 1.1), (10, -20, 30), ()),
    "twice as large": ((3.0, 3.0, 3.0), (0, 0, 0), (0, 1, 2)),
    "four times as large": ((6.0, 6.0, 6.0), (0, 0, 0), (0, 1, 2)),
    "a little larger": ((1.7, 1.6, 1.8), (0, 0, 0), (0, 1, 2)),
    "larger, unequal": ((2.2, 3.1, 4.0), (0, 0, 0), (0, 1, 2)),
    "larger, oblique": ((2.2, 3.1, 4.0), (15, -25, 40), (0, 1, 2)),
    "a little larger, oblique": ((1.7, 1.7, 1.7), (20, 35, 45), (0, 1, 2)),
    "thick slices": ((0.8, 0.9, 4.0), (0, 0, 0), (2,)),
    "thick slices the other way": ((4.0, 1.5, 1.0), (0, 0, 0), (0,)),
    "thin slices of large voxels": ((3.2, 4.1, 0.9), (0, 0, 0), (0, 1)),
    "thick slices, oblique": ((0.8, 0.9, 4.0), (12, -18, 25), (2,)),
    "thin slices of large voxels, oblique": ((3.2, 4.1, 0.9), (12, -18, 25), (0, 1)),
}


def grid_of(name: str, shift: tuple[float, float, float] = (0.37, -0.21, 0.55)):
    """Affine and shape of a grid that covers the network's."""
    edges, angles, larger = GRIDS[name]
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    shape = tuple(int(np.ceil(40 / edge)) for edge in edges)
    affine = np.eye(4)
    affine[:3, :3] = turn * edges
    affine[:3, 3] = shift - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine, shape, larger


def index_of(voxel, affine):
    """Where a voxel of the network's grid lies on another, as an index."""
    return (np.linalg.inv(affine) @ NETWORK @ [*voxel, 1])[:3]


def peak(voxel, value=1.0) -> torch.Tensor:
    map = torch.zeros(SHAPE)
    map[voxel] = value
    return map


@pytest.mark.parametrize("value", [1.0, -2.5])
@pytest.mark.parametrize("name", [name for name, (_, _, larger) in GRIDS.items() if larger])
def test_a_single_voxel_comes_back_as_high_as_it_was_within_half_a_voxel_of_its_place(name: str, value: float) -> None:
    affine, shape, larger = grid_of(name)
    for voxel in [(5, 7, 6), (4, 4, 9), (8, 10, 3), (6, 6, 6)]:
        back = move_peaks(peak(voxel, value), NETWORK, affine, shape).numpy().astype(np.float64) / value
        assert (back >= 0).all() and back.max() <= 1 + 1e-6
        there = index_of(voxel, affine)
        if len(larger) == 3:  # else it is interpolated along the other axes
            assert back.max() == pytest.approx(1, abs=1e-6)
            if not any(GRIDS[name][1]):
                assert np.count_nonzero(back) == 1
        else:
            across = [
                1 - abs(place - np.rint(place)) * GRIDS[name][0][axis] / 1.5
                for axis, place in enumerate(there)
                if axis not in larger
            ]
            assert back.max() >= np.prod(across) - 1e-5  # of linear interpolation along those alone
        centre = [np.sum(back * index) / back.sum() for index in np.indices(shape)]
        assert np.abs(np.array(centre) - there).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("name", GRIDS)
def test_every_value_that_comes_back_is_one_of_the_largest_magnitude_nearby(name: str) -> None:
    """Along the axes of larger voxels, of the places that lie in them; along the others, interpolated linearly."""
    affine, shape, larger = grid_of(name)
    map = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    back = move_peaks(map, NETWORK, affine, shape).numpy()
    if not larger:
        assert np.array_equal(back, move(map, NETWORK, affine, shape).numpy())
        return
    places = np.indices(SHAPE).reshape(3, -1).T
    index = (np.c_[places, np.ones(len(places))] @ (np.linalg.inv(affine) @ NETWORK).T)[:, :3]
    if len(larger) < 3 and any(GRIDS[name][1]):  # nothing lower than a value that lies in it
        voxel = np.rint(index).astype(int)
        covered = np.zeros(shape)
        np.maximum.at(covered, tuple(voxel.T), map.abs().flatten().numpy())
        assert (np.abs(back) >= covered - 1e-6).all() and np.abs(back).max() <= float(map.abs().max()) + 1e-5
        return
    way = np.linalg.inv(NETWORK) @ affine
    for voxel in np.argwhere(np.ones(shape))[:: max(1, np.prod(shape) // 400)]:
        if len(larger) == 3:
            values = map.flatten().numpy()[(np.abs(index - voxel) <= 0.5).all(axis=1)]
            if any(GRIDS[name][1]) and not len(values):
                continue
        else:
            planes = [
                np.unique(np.round(index[:, axis], 6)) if axis in larger else voxel[axis : axis + 1]
                for axis in range(3)
            ]
            planes = [some[np.abs(some - voxel[axis]) <= 0.5] for axis, some in enumerate(planes)]
            looked = np.array(list(product(*planes))).reshape(-1, 3)
            there = looked @ way[:3, :3].T + way[:3, 3]
            values = map_coordinates(map.numpy(), there.T, order=1, mode="grid-constant", cval=0.0)
        wanted = values[np.abs(values).argmax()] if len(values) else 0.0
        assert back[tuple(voxel)] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("value", [3.3, -0.1])
@pytest.mark.parametrize("name", GRIDS)
def test_a_constant_map_stays_constant(name: str, value: float) -> None:
    affine, shape, _ = grid_of(name)
    back = move_peaks(torch.full(SHAPE, value), NETWORK, affine, shape).numpy()
    way = np.linalg.inv(NETWORK) @ affine
    places = np.argwhere(np.ones(shape)) @ way[:3, :3].T + way[:3, 3]
    inside = ((places > 0) & (places < np.array(SHAPE) - 1)).all(axis=1)
    assert inside.sum() > 20
    np.testing.assert_allclose(back.reshape(-1)[inside], np.float32(value), rtol=1e-6)


@pytest.mark.parametrize("name", ["twice as large", "larger, oblique", "thick slices", "thick slices, oblique"])
def test_however_the_image_is_stored_the_map_is_the_same(name: str) -> None:
    """Also where centres of the map's voxels lie on faces between the image's."""
    shift = (0.3, -0.2, 0.1) if name == "twice as large" else (0.37, -0.21, 0.55)
    affine, shape, _ = grid_of(name, shift)
    map = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    plain = move_peaks(map, NETWORK, affine, shape).numpy()
    for codes in ALL_48[:: 1 if len(set(shape)) == 1 else 7]:
        turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
        wanted = apply_orientation(plain, turn)
        found = move_peaks(map, NETWORK, affine @ inv_ornt_aff(turn, shape), wanted.shape).numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_a_place_on_a_face_lies_in_both_voxels() -> None:
    affine = box_affine((8, 9, 7), 3.0, "RAS", (0.0, 0.0, 0.0))
    own = box_affine((9, 11, 9), 1.5, "LPS", (0.0, 0.0, 0.0))
    map = torch.zeros(9, 11, 9)
    map[4, 5, 4] = 2.0  # in the middle of both grids: on a face along I only, whose number of voxels is even
    back = move_peaks(map, own, affine, (8, 9, 7))
    assert [tuple(place) for place in back.nonzero().tolist()] == [(3, 4, 3), (4, 4, 3)]
    assert float(back[3, 4, 3]) == float(back[4, 4, 3]) == 2.0


def test_of_two_that_are_equally_large_the_one_above_zero_is_taken() -> None:
    affine = box_affine((5, 5, 5), 6.0, "RAS", (0.0, 0.0, 0.0))
    own = box_affine((20, 20, 20), 1.5, "RAS", (0.0, 0.0, 0.0))
    map = torch.zeros(20, 20, 20)
    map[9, 9, 9], map[10, 10, 10], map[4, 4, 4], map[5, 5, 5] = -1.0, 1.0, -3.0, 2.0
    back = move_peaks(map, own, affine, (5, 5, 5))
    assert float(back[2, 2, 2]) == 1.0 and float(back[1, 1, 1]) == -3.0


def test_a_grid_beside_the_map_gets_zeros() -> None:
    affine = box_affine((4, 5, 3), 4.0, "RAS", (200.0, 0.0, 0.0))
    assert not move_peaks(torch.ones(SHAPE), NETWORK, affine, (4, 5, 3)).any()
