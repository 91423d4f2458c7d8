"""Similarity of maps: against scipy and MONAI."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from scipy.stats import spearmanr

from interpbench.testing import toy_brain
from interpbench_measures.similarity import on_common_scale, spearman, ssim

SHAPE = (14, 17, 15)
BRAIN = toy_brain(SHAPE).numpy()
MARGIN = slice(5, -5)  # where SSIM's window lies inside the box


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE)


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_rank_correlation_is_that_of_scipy(levels: int) -> None:
    first = np.round(noise(0) * levels)
    second = np.round((noise(0) + noise(1)) * levels)
    assert spearman(first, second) == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)
    assert spearman(first, second, BRAIN) == pytest.approx(spearmanr(first[BRAIN], second[BRAIN]).statistic)


def test_only_ranks_inside_matter() -> None:
    first, second = noise(0), np.exp(noise(0)) + 5 * ~BRAIN
    assert spearman(first, second, BRAIN) == 1.0
    assert spearman(first, -second, BRAIN) == -1.0
    assert spearman(first, second) < 1.0


def test_a_flat_map_correlates_with_nothing() -> None:
    assert math.isnan(spearman(np.ones(SHAPE), noise(0)))


def test_structural_similarity_is_that_of_monai_where_its_window_lies_inside_the_box() -> None:
    first, second = noise(0), np.clip(noise(0) + 0.3 * noise(1), 0, 1)
    theirs, _ = compute_ssim_and_cs(
        torch.from_numpy(first)[None, None],
        torch.from_numpy(second)[None, None],
        spatial_dims=3,
        kernel_size=[11] * 3,
        kernel_sigma=[1.5] * 3,
    )
    middle = np.zeros(SHAPE, dtype=bool)
    middle[MARGIN, MARGIN, MARGIN] = True
    assert theirs.shape[2:] == first[MARGIN, MARGIN, MARGIN].shape
    assert ssim(first, second, middle) == pytest.approx(float(theirs.mean()), abs=1e-6)


def test_equal_maps_are_alike_and_opposite_ones_not() -> None:
    assert ssim(noise(0), noise(0)) == pytest.approx(1.0)
    assert ssim(noise(0), 1 - noise(0), BRAIN) < 0.0


def test_two_flat_maps_compare_by_their_level_alone() -> None:
    a, b, c1 = 0.25, 0.75, 0.01**2
    closed = (2 * a * b + c1) / (a**2 + b**2 + c1)
    assert ssim(np.full(SHAPE, a), np.full(SHAPE, b)) == pytest.approx(closed)


def test_volumes_smaller_than_the_window_are_compared_too() -> None:
    first, second = noise(0)[:6, :7, :8], noise(1)[:6, :7, :8]
    assert -1 <= ssim(first, second) < 0.5


def test_a_common_scale_forgets_the_size_and_the_outside() -> None:
    map = noise(0) - 0.5
    scaled = on_common_scale(map, BRAIN)
    assert np.allclose(on_common_scale(1000.0 * map, BRAIN), scaled)
    assert np.allclose(on_common_scale(-map, BRAIN), scaled)
    assert not scaled[~BRAIN].any()
    assert scaled.max() == 1.0
    assert (scaled[BRAIN] == 1.0).mean() == pytest.approx(0.01, abs=0.005)


def test_one_bright_voxel_does_not_darken_the_others() -> None:
    map = noise(0)
    before = on_common_scale(map, BRAIN)
    map[7, 8, 7] = 1e6
    others = np.arange(map.size).reshape(SHAPE) != map.argmax()
    assert np.allclose(on_common_scale(map, BRAIN)[others], before[others], atol=0.05)


def test_a_map_with_hardly_any_voxels_keeps_them() -> None:
    map = np.zeros(SHAPE)
    map[7, 8, 7] = 3.0
    assert on_common_scale(map, BRAIN).sum() == 1.0
    assert not on_common_scale(np.zeros(SHAPE), BRAIN).any()
