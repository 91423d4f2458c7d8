"""Regions of labels and spheres: as many voxels as geometry says, cut to the brain, and refused where hardly there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interpbench.errors import InputError
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
