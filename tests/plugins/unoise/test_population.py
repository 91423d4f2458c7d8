"""The population aggregator: mean, spread, the kept share, the smoothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from interpbench_unoise.population import Population

SHAPE = (12, 14, 10)


def filled(maps: torch.Tensor, brain: torch.Tensor, **options: float) -> Population:
    population = Population(**options)
    for map in maps:
        population.add(map)
        population.add_brain(brain)
    return population


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.rand((5, *SHAPE), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def brain() -> torch.Tensor:
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    inside[2:10, 2:12, 2:8] = True
    return inside


def test_mean_and_standard_deviation_are_numpy_s(maps: torch.Tensor, brain: torch.Tensor) -> None:
    result = filled(maps, brain).result()
    np.testing.assert_allclose(result["mean"], maps.double().numpy().mean(0), rtol=1e-6)
    np.testing.assert_allclose(result["std"], maps.double().numpy().std(0, ddof=1), rtol=1e-5)
    assert bool((result["n"] == 5).all())


def test_the_top_tenth_of_brain_voxels_is_kept_and_nothing_outside(maps: torch.Tensor, brain: torch.Tensor) -> None:
    result = filled(maps, brain, sigma=0.0).result()
    kept, mean = result["top"] > 0, result["mean"]
    assert int(kept.sum()) == round(0.10 * int(brain.sum())) and not (kept & ~brain).any()
    assert float(mean[kept].min()) >= float(mean[brain & ~kept].max())


def test_smoothing_is_scipy_s_gaussian_of_one_voxel(maps: torch.Tensor, brain: torch.Tensor) -> None:
    sharp, smooth = (filled(maps, brain, sigma=sigma).result()["top"] for sigma in (0.0, 1.0))
    np.testing.assert_allclose(smooth, ndimage.gaussian_filter(sharp.numpy(), 1.0), atol=1e-6)


def test_a_voxel_is_brain_where_half_of_the_subjects_have_brain(maps: torch.Tensor) -> None:
    population = Population(sigma=0.0, top=1.0)
    for number, map in enumerate(maps[:4]):
        population.add(map)
        inside = torch.zeros(SHAPE, dtype=torch.bool)
        inside[: 4 if number < 2 else 2] = True
        population.add_brain(inside)
    kept = population.result()["top"] > 0
    assert bool(kept[:4].all()) and not kept[4:].any()


def test_small_differences_between_many_maps_are_not_lost_to_rounding() -> None:
    population = Population()
    for number in range(2000):
        population.add(torch.full((2, 3, 4), 0.5 + (1e-4 if number % 2 else -1e-4)))
    assert float(population.result()["std"].mean()) == pytest.approx(1e-4, rel=0.01)
