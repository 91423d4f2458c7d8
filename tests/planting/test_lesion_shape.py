"""A lesion has the radius, the edge and the contrast that closed forms give it; contrast scales and adds up."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from interpbench.errors import InputError, UsageError
from interpbench.planting.contrast import DARKEST, Contrast, ScaledTissue
from interpbench.planting.geometry import distances_in, zooms_of
from interpbench.planting.lesion import RIM, VOXELS, Blob, Lesion
from interpbench.planting.tissue import Tissue

BOUND = 2.5
MIDDLE = np.array([13, 12, 11])


def whole(tissue: Tissue) -> tuple[slice, slice, slice]:
    first, second, third = tissue.values.shape
    return slice(0, first), slice(0, second), slice(0, third)


@pytest.mark.parametrize("radii", [(3.0, 12.0), (4.0, 5.0), (1.0, 9.0)])
def test_the_largest_strength_takes_the_radius_from_the_smallest_to_the_largest(
    radii: tuple[float, float], plain: Tissue
) -> None:
    blob = Blob(plain, MIDDLE, BOUND, radii, -0.4)
    assert blob.radius(-BOUND, blob.most) == pytest.approx(radii[0])
    assert blob.radius(BOUND, blob.most) == pytest.approx(radii[1])
    assert blob.radius(0, blob.most) == pytest.approx(math.sqrt(radii[0] * radii[1])) == blob.radius(1.3, 0)
    assert blob.radius(1, 0.1) * blob.radius(-1, 0.1) == pytest.approx(radii[0] * radii[1])


@pytest.mark.parametrize("contrast", [-0.4, 0.7])
@pytest.mark.parametrize("amount", [-2.0, 0.0, 2.5])
def test_the_edge_is_a_cubic_step_one_voxel_wide_around_the_radius(
    contrast: float, amount: float, tissue: Tissue
) -> None:
    blob = Blob(tissue, MIDDLE, BOUND, (3.0, 8.0), contrast)
    distance = distances_in(blob.window, tissue.affine, tissue.affine[:3, :3] @ MIDDLE + tissue.affine[:3, 3])
    before = tissue.values[blob.window] - tissue.background
    share = (blob.values(amount, blob.most) - tissue.values[blob.window]) / (contrast * before + (before == 0))
    radius, edge = blob.radius(amount, blob.most), float(zooms_of(tissue.affine).max())
    inside = tissue.brain[blob.window] & (np.abs(before) > 1)
    for far, given in zip(distance[inside], share[inside], strict=True):
        part = min(1.0, max(0.0, (radius - far) / edge + 0.5))
        assert given == pytest.approx(3 * part**2 - 2 * part**3, abs=1e-3)


def test_beyond_the_window_even_the_largest_lesion_changes_nothing(tissue: Tissue) -> None:
    blob = Blob(tissue, MIDDLE, BOUND, (3.0, 8.0), -0.4)
    distance = distances_in(whole(tissue), tissue.affine, blob.centre)
    outside = np.ones(tissue.values.shape, dtype=bool)
    outside[blob.window] = False
    assert distance[outside].min() > 8.0 + float(zooms_of(tissue.affine).max()) / 2


def test_outside_the_brain_a_lesion_leaves_the_image_as_it_is(plain: Tissue) -> None:
    hollow = plain.brain.copy()
    hollow[12:14] = False
    other = Tissue(plain.values, hollow, plain.affine, plain.background, plain.fluid)
    blob = Blob(other, MIDDLE, BOUND, (3.0, 8.0), 1.5)
    changed = blob.values(BOUND, blob.most) != plain.values[blob.window]
    assert changed.any() and not changed[~hollow[blob.window]].any()


def test_the_figures_of_a_lesion_are_its_centre_in_the_world(tissue: Tissue) -> None:
    figures = Blob(tissue, MIDDLE, BOUND, (3.0, 8.0), -0.4).figures(0.1)
    place = tissue.affine @ [*MIDDLE, 1]
    assert list(figures) == ["x_mm", "y_mm", "z_mm"] and list(figures.values()) == pytest.approx(place[:3])


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_centre_lies_in_the_region_with_brain_all_around(seed: int, tissue: Tissue) -> None:
    region = tissue.brain & (np.indices(tissue.brain.shape)[0] > 10)
    effect = Lesion(largest=8.0).on(tissue, region, np.random.default_rng(seed), BOUND)
    assert isinstance(effect, Blob)
    index = np.linalg.solve(tissue.affine, [*effect.centre, 1])[:3]
    np.testing.assert_allclose(index, np.rint(index), atol=1e-6)
    assert region[tuple(np.rint(index).astype(int))]
    # The ball of tissue has a radius of 20 mm around the world's origin; a place is looked up to half a voxel.
    half = float(np.linalg.norm(tissue.affine[:3, :3], axis=0).sum()) / 2
    assert np.linalg.norm(effect.centre) < 20 - RIM + half


def test_a_region_at_the_surface_alone_has_no_place_for_a_lesion(plain: Tissue) -> None:
    distance = distances_in(whole(plain), plain.affine, np.zeros(3))
    with pytest.raises(InputError, match=f"{RIM:g} mm below the surface"):
        Lesion().on(plain, plain.brain & (distance > 18), np.random.default_rng(0), BOUND)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"contrast": 0.0}, "must not be 0"),
        ({"contrast": -1.0}, "contrast"),
        ({"contrast": 2.1}, "contrast"),
        ({"contrast": math.nan}, "contrast"),
        ({"smallest": 0.0}, "smallest"),
        ({"smallest": math.inf}, "smallest"),
        ({"smallest": 5.0, "largest": 5.0}, r"above smallest \(5 mm\), got 5 mm"),
        ({"largest": 2.0}, r"above smallest \(3 mm\), got 2 mm"),
    ],
)
def test_lesions_that_cannot_be_are_refused_with_the_option_named(options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Lesion(**options)


@pytest.mark.parametrize(("largest", "fits"), [(VOXELS * 2.0, False), (VOXELS * 2.0 + 0.1, True)])
def test_coarse_voxels_need_a_largest_lesion_above_the_smallest_that_they_show(
    largest: float, fits: bool, plain: Tissue
) -> None:
    kind = Lesion(smallest=0.5, largest=largest)
    if fits:
        effect = kind.on(plain, plain.brain, np.random.default_rng(0), BOUND)
        assert isinstance(effect, Blob) and effect.radius(-BOUND, effect.most) == pytest.approx(VOXELS * 2.0)
    else:
        with pytest.raises(InputError, match=r"above 3 mm in radius: the option largest \(3 mm\) is too small"):
            kind.on(plain, plain.brain, np.random.default_rng(0), BOUND)


def test_contrast_of_two_amounts_at_half_the_strength_each_adds_up(tissue: Tissue, ball: np.ndarray) -> None:
    effect = ScaledTissue(tissue, ball, BOUND)
    before = tissue.values[effect.window]
    parts = [effect.values(amount, 0.1) - before for amount in (1.5, -0.7)]
    np.testing.assert_allclose(parts[0] + parts[1], effect.values(0.8, 0.1) - before, atol=2e-3)
    np.testing.assert_allclose(effect.values(1.0, 0.2), effect.values(2.0, 0.1), atol=1e-3)
    assert np.array_equal(effect.values(0.0, 0.3), before) and np.array_equal(effect.values(2.0, 0.0), before)


def test_contrast_keeps_its_region_and_its_window_just_holds_it(tissue: Tissue, ball: np.ndarray) -> None:
    effect = Contrast().on(tissue, ball, np.random.default_rng(0), BOUND)
    changed = np.zeros_like(ball)
    changed[effect.window] = effect.values(1.0, effect.most) != tissue.values[effect.window]
    assert np.array_equal(changed, ball & (tissue.values != tissue.background))
    assert [(part.start, part.stop) for part in effect.window] == [
        (int(places.min()), int(places.max()) + 1) for places in np.nonzero(ball)
    ]


@pytest.mark.parametrize("bound", [0.5, 2.5, 4.0])
def test_the_darkest_keeps_its_share_whatever_the_largest_amount(
    bound: float, make_head: Callable[..., Tissue]
) -> None:
    tissue = make_head(np.diag([2.0, 2.0, 2.0, 1.0]))
    effect = ScaledTissue(tissue, tissue.brain, bound)
    inside = tissue.brain[effect.window]
    found = effect.values(-bound, effect.most)[inside]
    np.testing.assert_allclose(found, DARKEST * tissue.values[tissue.brain], rtol=1e-3)
