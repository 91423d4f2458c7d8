"""Maps restricted to the brain: what is kept, on both grids, and what is told of the rest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes

from interpbench.doubts import OUTSIDE
from interpbench.images.cut import BrainCut
from interpbench.images.prepared import Prepared
from interpbench.images.volume import Volume

SHAPE = (5, 6, 7)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def prepared() -> Callable[..., Prepared]:
    """`prepared(inside, zoom=1)`: an image that the network sees on its own grid, or on one of larger voxels."""

    def prepared(inside: np.ndarray, *, holes: bool = False, zoom: int = 1) -> Prepared:
        affine = np.diag([2.0 * zoom, 2.0 * zoom, 2.0 * zoom, 1.0])
        affine[:3, 3] = zoom - 1.0  # a large voxel lies around the small ones that it covers
        brain = torch.from_numpy(inside.reshape(-1)[: math.prod(SHAPE)].reshape(SHAPE).copy())
        if zoom > 1:
            blocks = inside.reshape(SHAPE[0], zoom, SHAPE[1], zoom, SHAPE[2], zoom)
            brain = torch.from_numpy(blocks.any(axis=(1, 3, 5)))
        values = torch.from_numpy(inside.astype(np.float32))[None]
        source = Volume(values, AFFINE)
        volume = brain[None].float()
        return Prepared(volume, brain, affine, source, torch.from_numpy(inside.copy()), holes)

    return prepared


def box(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[1:4, 1:5, 1:6] = True
    return inside


def hollow() -> np.ndarray:
    inside = box()
    inside[2, 2, 3] = False
    return inside


def drawn(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_inside_the_brain_a_map_keeps_every_bit_and_outside_it_is_zero(prepared: Callable[..., Prepared]) -> None:
    one, map = prepared(box()), drawn()
    cut = BrainCut.of(one)
    for found in (cut.on_network_grid(map).numpy(), cut.way_back(map, one)):
        assert found.dtype == np.float32
        assert np.array_equal(found[box()], map.numpy()[box()])
        assert not found[~box()].any()


def test_a_whole_map_is_kept_on_both_grids(prepared: Callable[..., Prepared]) -> None:
    one, map = prepared(box()), drawn()
    cut = BrainCut.of(one, whole=True)
    assert cut.whole and not BrainCut.of(one).whole
    assert cut.on_network_grid(map) is map
    assert np.array_equal(cut.way_back(map, one), map.numpy())


@pytest.mark.parametrize("holes", [True, False])
def test_what_is_shut_in_counts_as_brain_only_where_holes_do(holes: bool, prepared: Callable[..., Prepared]) -> None:
    one = prepared(hollow(), holes=holes)
    found = BrainCut.of(one).way_back(torch.ones(SHAPE), Prepared(**{**vars(one), "brain": torch.from_numpy(box())}))
    assert found[2, 2, 3] == 0  # the network's brain has the hole here
    cut = BrainCut(torch.from_numpy(box()), SHAPE, BrainCut.of(one).packed)
    back = cut.way_back(torch.ones(SHAPE), one)
    assert np.array_equal(back != 0, binary_fill_holes(hollow()) if holes else hollow())


def test_interpolation_never_spreads_beyond_the_images_own_brain(prepared: Callable[..., Prepared]) -> None:
    fine = tuple(2 * edge for edge in SHAPE)
    inside = np.zeros(fine, bool)
    inside[3:8, 4:9, 5:10] = True  # of odd edges: large voxels at the rim are brain in part
    one = prepared(inside, zoom=2)
    back = BrainCut.of(one).way_back(torch.ones(SHAPE), one)
    assert back.shape == fine
    assert not back[~inside].any()
    assert (back[4:7, 5:8, 6:9] > 0).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 99))
def test_the_share_outside_is_the_magnitude_there_over_all(inside: list[bool], seed: int) -> None:
    brain = torch.tensor(inside).reshape(1, 3, 4)
    map = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(seed))
    share = BrainCut(brain, (1, 3, 4), None).share_outside(map)
    values = np.abs(map.numpy().astype(np.float64))
    assert share == pytest.approx(values[~brain.numpy()].sum() / values.sum())
    assert BrainCut(~brain, (1, 3, 4), None).share_outside(-7 * map) == pytest.approx(1 - share)


def test_the_share_of_large_and_of_tiny_maps_is_that_of_any_other() -> None:
    brain = torch.from_numpy(box())
    shares = [BrainCut(brain, SHAPE, None).share_outside(drawn().abs() * size) for size in (1e-38, 1.0, 1e37)]
    assert shares[1] == pytest.approx(shares[0], rel=1e-2)  # float32 holds few digits of the smallest
    assert shares[1] == pytest.approx(shares[2])


@pytest.mark.parametrize(
    ("share", "whole", "text"),
    [
        (0.0, False, None),
        (0.1, False, None),
        (0.101, False, "10% of the map's mass (sum of magnitudes) lay outside the brain and was removed (--whole"),
        (0.5, True, "50% of the map's mass (sum of magnitudes) lies outside the brain"),
        (1.0, False, "100% of the map's mass"),
        (math.nan, False, None),
    ],
)
def test_more_than_a_tenth_outside_is_doubted(
    share: float, whole: bool, text: str | None, prepared: Callable[..., Prepared]
) -> None:
    doubt = BrainCut.of(prepared(box()), whole=whole).doubt(share)
    assert (doubt is None) == (text is None)
    if doubt is not None and text is not None:
        assert doubt.startswith(text)
        assert doubt.kind == OUTSIDE


def test_where_nothing_is_left_it_is_told_why(prepared: Callable[..., Prepared]) -> None:
    one = prepared(box())
    cut, whole = BrainCut.of(one), BrainCut.of(one, whole=True)
    outside = torch.where(one.brain, 0.0, 1.0)
    assert cut.nothing_left(torch.zeros(SHAPE)) == whole.nothing_left(torch.zeros(SHAPE)) == "everywhere"
    assert cut.nothing_left(outside) == "everywhere in the brain, and values outside are removed (--whole keeps them)"
    assert whole.nothing_left(outside) == ""
    assert cut.nothing_left(-1e-30 * one.brain) == ""


def test_of_an_image_eight_voxels_take_one_byte(prepared: Callable[..., Prepared]) -> None:
    packed = BrainCut.of(prepared(box())).packed
    assert packed is not None
    assert packed.nbytes == math.ceil(math.prod(SHAPE) / 8)
