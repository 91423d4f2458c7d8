"""Floors: what they show, and that they know nothing of the predictor."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor

from interpbench import Explainer, InputError, Recipe, UsageError, brain_of, write_map
from interpbench.images.grid import box_affine
from interpbench.testing import constant_predictor, cube_predictor, toy_brains
from interpbench_floors.image import Intensity, Sobel
from interpbench_floors.noise import Random, SmoothRandom
from interpbench_floors.template import Template

SHAPE = (12, 14, 10)
LARGE = (40, 44, 36)
PREDICTOR = constant_predictor(SHAPE)


def neighbours_agree(map: Tensor) -> float:
    """Correlation between voxels that are neighbours along I."""
    return float(torch.corrcoef(torch.stack([map[1:].flatten(), map[:-1].flatten()]))[0, 1])


@pytest.mark.parametrize("floor", [Random(seed=3), SmoothRandom(seed=3), Intensity(), Sobel()])
def test_a_floor_is_zero_outside_the_brain_and_says_that_it_is_a_floor(floor: Explainer) -> None:
    volumes = toy_brains(2, SHAPE)
    maps = floor.explain(PREDICTOR, volumes)
    assert floor.floor
    assert maps[~brain_of(volumes)].abs().max() == 0
    assert maps.min() >= 0
    assert maps.std() > 0


@pytest.mark.parametrize("kind", [Random, SmoothRandom])
def test_noise_comes_from_its_seed_alone(kind: type) -> None:
    volumes = toy_brains(2, SHAPE)
    first = kind(seed=1).explain(PREDICTOR, volumes)
    assert torch.equal(first, kind(seed=1).explain(PREDICTOR, volumes))
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first, kind(seed=2).explain(PREDICTOR, volumes))


@pytest.mark.parametrize("floor", [Random(), SmoothRandom(sigma=1.0)])
def test_noise_is_spread_evenly_between_zero_and_one(floor: Explainer) -> None:
    volumes = torch.randn(1, 1, *LARGE, generator=torch.Generator().manual_seed(0))  # no background: all is brain
    values = np.sort(floor.explain(PREDICTOR, volumes).flatten().numpy())
    even = (np.arange(values.size) + 0.5) / values.size
    assert np.abs(values - even).max() < 0.02


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_smooth_noise_is_as_smooth_as_asked(sigma: float) -> None:
    """White noise through a Gaussian of SD s is correlated by exp(-d^2 / 4 s^2) at a distance d."""
    volumes = torch.randn(1, 1, *LARGE, generator=torch.Generator().manual_seed(0))
    map = SmoothRandom(sigma=sigma).explain(PREDICTOR, volumes)[0]
    normal = torch.special.ndtri(map.double().clamp(1e-6, 1 - 1e-6))
    assert neighbours_agree(normal) == pytest.approx(math.exp(-1 / (4 * sigma**2)), abs=0.02)


def test_white_noise_has_no_neighbours() -> None:
    volumes = torch.randn(1, 1, *LARGE, generator=torch.Generator().manual_seed(0))
    assert abs(neighbours_agree(Random().explain(PREDICTOR, volumes)[0])) < 0.02


def test_intensity_is_the_size_of_each_brain_voxel() -> None:
    volumes = toy_brains(2, SHAPE) - 3.0  # a background of -3
    assert torch.equal(Intensity().explain(PREDICTOR, volumes), volumes[:, 0].abs() * brain_of(volumes))


def test_sobel_is_the_length_of_three_convolutions() -> None:
    volumes = toy_brains(2, SHAPE)
    slope, smooth = np.array([-1.0, 0, 1]), np.array([1.0, 2, 1])
    for map, image in zip(Sobel().explain(PREDICTOR, volumes), volumes[:, 0].numpy(), strict=True):
        squares = np.zeros(SHAPE)
        for axis in range(3):
            lines = [slope if other == axis else smooth for other in range(3)]
            squares += convolve(image.astype(np.float64), np.einsum("i,j,k->ijk", *lines), mode="nearest") ** 2
        np.testing.assert_allclose(map.numpy(), np.sqrt(squares) * (image != 0), rtol=1e-4, atol=1e-4)


def test_sobel_of_an_even_slope_is_sixteen_times_twice_the_slope() -> None:
    image = 0.5 * torch.arange(SHAPE[1]).expand(SHAPE[0], SHAPE[2], SHAPE[1]).transpose(1, 2).float()
    map = Sobel().explain(PREDICTOR, image[None, None])[0]
    torch.testing.assert_close(map[1:-1, 1:-1, 1:-1], torch.full((10, 12, 8), 16 * 2 * 0.5))


@pytest.fixture
def population(tmp_path: Path) -> Path:
    """A map with values below zero, on the grid of `RECIPE`."""
    values = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    path = tmp_path / "population_mean.nii.gz"
    write_map(path, values, affine=box_affine(SHAPE, 4.0, "RAS", (0.0, 0.0, 0.0)))
    return path


def registered(shape: tuple[int, int, int] = SHAPE):
    predictor = cube_predictor(shape)
    predictor.recipe = Recipe(shape=shape, voxel_size=4.0, centre=(0.0, 0.0, 0.0))
    return predictor


def test_a_template_gives_everybody_the_size_of_one_map(population: Path) -> None:
    maps = Template(file=str(population)).explain(registered(), toy_brains(3, SHAPE))
    values = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    assert torch.equal(maps, values.abs().expand(3, *SHAPE))


def test_a_template_without_a_file_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(UsageError, match="template needs a map: file="):
        Template()


def test_a_template_of_another_grid_is_refused(population: Path) -> None:
    with pytest.raises(InputError, match="has another grid"):
        Template(file=str(population)).explain(registered((12, 14, 11)), toy_brains(1, (12, 14, 11)))


def test_a_template_is_refused_where_the_images_share_no_space(population: Path) -> None:
    with pytest.raises(InputError, match="the images share no space"):
        Template(file=str(population)).explain(cube_predictor(SHAPE), toy_brains(1, SHAPE))


def test_sigma_must_be_above_zero() -> None:
    with pytest.raises(UsageError, match="sigma of SmoothRandom must be above 0"):
        SmoothRandom(sigma=0)
