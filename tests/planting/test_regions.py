"""Where a signal is planted: values of labels, spheres in the world, or the whole brain."""

from __future__ import annotations

import numpy as np
import pytest

from interpbench.errors import InputError
from interpbench.planting.regions import FEWEST, Region, Sphere, region_in
from interpbench.planting.tissue import Tissue


def corner(tissue: Tissue) -> np.ndarray:
    """Labels: 3 in the lower half along the first axis, 9 in a few voxels, 0 elsewhere."""
    labels = np.zeros(tissue.brain.shape, dtype=np.int64)
    labels[: labels.shape[0] // 2] = 3
    some = np.argwhere(tissue.brain)[: FEWEST - 1]
    labels[tuple(some.T)] = 9
    return labels


def test_no_region_is_the_whole_brain(tissue: Tissue) -> None:
    assert not Region() and np.array_equal(region_in(Region(), tissue.brain, tissue.affine, None), tissue.brain)


@pytest.mark.parametrize("values", [(3,), (9, 3), (0,), (3, 77)])
def test_a_region_of_values_is_where_labels_have_one_of_them_in_the_brain(
    tissue: Tissue, values: tuple[int, ...]
) -> None:
    labels = corner(tissue)
    found = region_in(Region(values), tissue.brain, tissue.affine, labels)
    expected = np.logical_or.reduce([labels == value for value in values]) & tissue.brain
    assert np.array_equal(found, expected) and found.any()


def test_spheres_hold_the_voxels_whose_centres_are_near_in_the_world(tissue: Tissue) -> None:
    spheres = (Sphere((6.0, -4.0, 2.0), 6.0), Sphere((-9.0, 3.0, 0.0), 5.0))
    found = region_in(Region(spheres=spheres), tissue.brain, tissue.affine, None)
    for voxel in np.argwhere(tissue.brain)[::7]:
        world = tissue.affine[:3, :3] @ voxel + tissue.affine[:3, 3]
        near = any(np.linalg.norm(world - np.array(one.centre)) <= one.radius for one in spheres)
        assert found[tuple(voxel)] == near
    assert not (found & ~tissue.brain).any()


def test_the_volume_of_a_sphere_is_that_of_a_ball_on_any_grid(tissue: Tissue) -> None:
    found = region_in(Region(spheres=(Sphere((0.0, 0.0, 0.0), 12.0),)), tissue.brain, tissue.affine, None)
    volume = found.sum() * abs(np.linalg.det(tissue.affine[:3, :3]))
    assert volume == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.05)


REFUSED = {
    "values without labels": (Region((3,)), False, "there is no label image, so region 3 cannot be found."),
    "a value that nobody has": (Region((55,)), True, "region 55 has only 0 voxels in the image"),
    "a value of a few voxels": (Region((9,)), True, f"region 9 has only {FEWEST - 1} voxels in the image"),
    "a sphere far away": (Region(spheres=(Sphere((900.0, 0, 0), 5.0),)), False, "sphere 900/0/0/5 has only 0 voxels"),
    "a sphere smaller than a voxel": (Region(spheres=(Sphere((0.0, 0, 0), 0.2),)), False, "at least 8 are needed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_next_to_nothing_is_refused_in_one_line(case: str, tissue: Tissue) -> None:
    region, labelled, words = REFUSED[case]
    with pytest.raises(InputError) as refused:
        region_in(region, tissue.brain, tissue.affine, corner(tissue) if labelled else None)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_region_that_lies_in_the_background_is_refused_as_outside_the_brain(tissue: Tissue) -> None:
    labels = np.where(tissue.brain, 0, 4)
    with pytest.raises(InputError, match="region 4 has only 0 voxels in the brain"):
        region_in(Region((4,)), tissue.brain, tissue.affine, labels)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (Region((47, 48)), "47,48"),
        (Region(spheres=(Sphere((1.5, -2.0, 3.0), 4.0),)), "1.5/-2/3/4"),
        (Region(spheres=(Sphere((1.0, 2.0, 3.0), 4.0), Sphere((0.0, 0.0, 0.0), 9.0))), "1/2/3/4 0/0/0/9"),
        (Region(), ""),
    ],
)
def test_a_region_is_written_as_it_is_asked_for(region: Region, words: str) -> None:
    assert str(region) == words and bool(region) == bool(words)


def test_the_labels_and_the_brain_are_not_changed(tissue: Tissue) -> None:
    labels, brain = corner(tissue), tissue.brain.copy()
    before = labels.copy()
    found = region_in(Region((3,)), brain, tissue.affine, labels)
    found[...] = False
    assert np.array_equal(labels, before) and np.array_equal(brain, tissue.brain)
