"""Regions of labels and spheres: as many voxels as geometry says, cut to the brain, and refused where hardly there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interpbench.errors import InputError
from interpbench.planting.asked import sphere_of, values_of
from interpbench.planting.regions import FEWEST, Region, Sphere, region_in

SHAPE = (17, 19, 21)
WHOLE = np.ones(SHAPE, dtype=bool)
CENTRE = (8.0, 9.0, 10.0)


def sphere(radius: float, centre: tuple[float, float, float] = CENTRE) -> Region:
    return Region(spheres=(Sphere(centre, radius),))


@pytest.mark.parametrize(
    ("radius", "number"), [(2**0.5 + 1e-9, 19), (3**0.5 + 1e-9, 27), (2.0, 33), (3.0, 123), (4.0, 257), (5.0, 515)]
)
def test_a_sphere_on_a_voxel_holds_as_many_as_there_are_lattice_points(radius: float, number: int) -> None:
    """The numbers are those of sums of three squares up to the radius squared (OEIS A117609)."""
    assert region_in(sphere(radius), WHOLE, np.eye(4), None).sum() == number


@pytest.mark.parametrize("zooms", [(1.0, 1.0, 1.0), (0.5, 1.0, 0.8), (0.7, 0.6, 1.1)])
def test_the_voxels_of_a_sphere_are_those_no_farther_than_its_radius(zooms: tuple[float, float, float]) -> None:
    affine = np.diag([*zooms, 1.0])
    affine[:3, 3] = [-3, 2, 5]
    middle = (affine @ [8.3, 9.1, 9.8, 1])[:3]
    found = region_in(sphere(3.3, tuple(middle)), WHOLE, affine, None)
    for index in np.ndindex(SHAPE):
        assert found[index] == (np.linalg.norm((affine @ [*index, 1])[:3] - middle) <= 3.3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("axis", range(3))
def test_a_sphere_lies_in_the_same_place_however_the_file_is_turned(order: tuple[int, int, int], axis: int) -> None:
    affine = np.diag([1.0, 1.2, 0.9, 1.0])
    region = sphere(3.1, (6.2, 8.8, 7.9))
    straight = region_in(region, WHOLE, affine, None)
    other = affine.copy()
    other[:3, 3] += other[:3, axis] * (SHAPE[axis] - 1)
    other[:3, axis] *= -1
    other[:, :3] = other[:, list(order)]
    found = region_in(region, WHOLE.transpose(order), other, None)
    assert np.array_equal(found, np.flip(straight, axis).transpose(order))


def test_spheres_are_united_whether_they_touch_or_not() -> None:
    one, two = Sphere((5.0, 9.0, 10.0), 3.0), Sphere((8.0, 9.0, 10.0), 3.0)
    both = region_in(Region(spheres=(one, two)), WHOLE, np.eye(4), None)
    parts = [region_in(Region(spheres=(some,)), WHOLE, np.eye(4), None) for some in (one, two)]
    assert np.array_equal(both, parts[0] | parts[1])
    assert both.sum() == 2 * 123 - (parts[0] & parts[1]).sum() > 123
    assert np.array_equal(region_in(Region(spheres=(one, one)), WHOLE, np.eye(4), None), parts[0])


def test_a_sphere_that_is_cut_by_the_image_keeps_what_lies_in_it() -> None:
    corner = region_in(sphere(3.0, (0.0, 0.0, 0.0)), WHOLE, np.eye(4), None)
    whole = region_in(sphere(3.0), WHOLE, np.eye(4), None)
    assert np.array_equal(corner[:4, :4, :4], whole[8:12, 9:13, 10:14]) and corner.sum() == corner[:4, :4, :4].sum()


@pytest.mark.parametrize("values", [(5,), (5, 9), (9, 5, 5), (1, 5)])
def test_a_region_of_values_is_all_voxels_of_any_of_them(values: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).integers(0, 10, SHAPE)
    brain = np.indices(SHAPE)[0] > 4
    found = region_in(Region(values), brain, np.eye(4), labels)
    assert found.tolist() == (np.logical_or.reduce([labels == value for value in values]) & brain).tolist()


def test_no_argument_is_changed() -> None:
    labels = np.ones(SHAPE, dtype=np.int64)
    brain = np.indices(SHAPE)[2] > 3
    before = brain.copy(), labels.copy()
    region_in(Region((1,)), brain, np.eye(4), labels)[:] = False
    region_in(sphere(3.0), brain, np.eye(4), None)[:] = False
    assert np.array_equal(brain, before[0]) and np.array_equal(labels, before[1])


@pytest.mark.parametrize(
    ("image", "brain", "said"),
    [
        (0, 0, "only 0 voxels in the image"),
        (5, 5, "only 5 voxels in the image"),
        (5, 2, "only 5 voxels in the image"),  # the image's own are too few, whatever the brain is
        (7, 0, "only 7 voxels in the image"),
        (8, 7, "only 7 voxels in the brain"),
        (100, 0, "only 0 voxels in the brain"),
    ],
)
def test_a_refusal_counts_the_voxels_of_the_place_that_it_names(image: int, brain: int, said: str) -> None:
    labels, inside = np.zeros(SHAPE, dtype=np.int64), np.zeros(SHAPE, dtype=bool)
    labels.ravel()[:image] = 3
    inside.ravel()[:brain] = True
    with pytest.raises(InputError, match=rf"^region 3 has {said}; at least {FEWEST} are needed\.$"):
        region_in(Region((3,)), inside, np.eye(4), labels)


def test_from_the_fewest_voxels_on_a_region_is_taken() -> None:
    labels = np.zeros(SHAPE, dtype=np.int64)
    labels.ravel()[:FEWEST] = 3
    assert region_in(Region((3,)), WHOLE, np.eye(4), labels).sum() == FEWEST


@pytest.mark.parametrize(
    ("region", "text", "there"),
    [
        (Region(), "", False),
        (Region((47,)), "47", True),
        (Region((48, 47)), "48,47", True),
        (sphere(8.0, (-27.0, -22.5, 0.0)), "-27/-22.5/0/8", True),
        (Region(spheres=(Sphere((1, 2, 3), 4), Sphere((5, 6, 7), 8.25))), "1/2/3/4 5/6/7/8.25", True),
    ],
)
def test_a_region_is_written_as_it_is_asked_for(region: Region, text: str, there: bool) -> None:
    assert str(region) == text and bool(region) is there
    if region.values:
        assert values_of(text) == region.values
    assert tuple(sphere_of(one) for one in text.split() if region.spheres) == region.spheres
