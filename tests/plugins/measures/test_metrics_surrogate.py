"""Random maps of another map's values and smoothness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpbench.testing import toy_brain
from interpbench_measures.surrogate import random_like, smoothness

SHAPE = (36, 40, 32)
BRAIN = toy_brain(SHAPE).numpy()


def smooth_noise(sigma: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    return gaussian_filter(noise, sigma, mode="wrap") if sigma else noise


@pytest.mark.parametrize("sigma", [0.4, 0.7, 1.0, 2.0])
def test_the_smoothness_of_smoothed_noise_is_that_of_its_filter(sigma: float) -> None:
    assert smoothness(smooth_noise(sigma), BRAIN) == pytest.approx(sigma, rel=0.1)


def test_white_noise_is_not_smooth() -> None:
    assert smoothness(smooth_noise(0), BRAIN) < 0.3


def test_only_the_order_of_values_decides_how_smooth_a_map_is() -> None:
    map = smooth_noise(1.0)
    assert smoothness(np.exp(20 * map), BRAIN) == pytest.approx(smoothness(map, BRAIN))


def test_a_flat_map_has_no_smoothness() -> None:
    assert smoothness(np.ones(SHAPE), BRAIN) == 0.0


@pytest.mark.parametrize("sigma", [0.0, 0.7, 2.0])
def test_a_random_map_has_the_values_and_the_smoothness_asked_for(sigma: float) -> None:
    map = np.exp(smooth_noise(1.0)) * BRAIN
    other = random_like(map, BRAIN, sigma, torch.Generator().manual_seed(0))
    assert np.array_equal(np.sort(other[BRAIN]), np.sort(map[BRAIN]))
    assert not other[~BRAIN].any()
    assert smoothness(other, BRAIN) == pytest.approx(sigma, rel=0.1, abs=0.3 if sigma == 0 else 0)


def test_it_has_nothing_to_do_with_the_map() -> None:
    map, generator = smooth_noise(1.0), torch.Generator().manual_seed(0)
    found = [np.corrcoef(map[BRAIN], random_like(map, BRAIN, 1.0, generator)[BRAIN])[0, 1] for _ in range(5)]
    assert np.abs(found).max() < 0.1
