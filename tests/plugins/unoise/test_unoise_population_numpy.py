"""The population map a second way, in numpy; and what is refused, however small, flat or odd the maps are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench import InputError, UsageError
from interpbench_unoise.population import Population

SHAPE = (7, 6, 5)
Subjects = list[tuple[Tensor, Tensor]]


def made(number: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> Subjects:
    """Maps of both signs and brains that differ."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(shape, generator=generator), torch.rand(shape, generator=generator) < 0.7) for _ in range(number)
    ]


def seen(subjects: Sequence[tuple[Tensor, Tensor]], **options: float) -> Population:
    population = Population(**options)
    for map, brain in subjects:
        population.add(map)
        population.add_brain(brain)
    return population


def by_numpy(subjects: Subjects, top: float, sigma: float) -> dict[str, NDArray[np.float64]]:
    """Sorting instead of a threshold, and the Gaussian as an explicit sum over voxels, mirrored at the edges."""
    maps = np.stack([map.numpy() for map, _ in subjects]).astype(float)
    brain = np.stack([brain.numpy() for _, brain in subjects]).mean(0) >= 0.5
    mean = maps.mean(0)
    order = np.argsort(-np.where(brain, mean, -np.inf), axis=None)
    kept = np.zeros(mean.size)
    number = max(1, round(top * brain.sum())) if brain.any() else 0
    kept[order[:number]] = mean.reshape(-1)[order[:number]]
    result = kept.reshape(mean.shape)
    for axis in range(3 if sigma else 0):
        result = np.moveaxis(_smoothing(result.shape[axis], sigma) @ np.moveaxis(result, axis, -2), -2, axis)
    spread = maps.std(0, ddof=1) if len(subjects) > 1 else np.zeros_like(mean)
    return {"top": result, "mean": mean, "std": spread, "n": np.full(mean.shape, float(len(subjects)))}


def _smoothing(edge: int, sigma: float) -> NDArray[np.float64]:
    """A matrix: weights of a Gaussian cut at 4 SD, what falls off an edge comes back from its mirror."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    matrix = np.zeros((edge, edge))
    for place in range(edge):
        for step, weight in zip(range(-reach, reach + 1), weights / weights.sum(), strict=True):
            turned = (place + step) % (2 * edge)
            matrix[place, min(turned, 2 * edge - 1 - turned)] += weight
    return matrix


@pytest.mark.parametrize("number", [1, 2, 3, 8])
@pytest.mark.parametrize(("top", "sigma"), [(0.1, 1.0), (0.1, 0.0), (0.37, 0.6), (1.0, 2.5), (1e-6, 1.0)])
def test_all_four_results_are_those_of_numpy(number: int, top: float, sigma: float) -> None:
    subjects = made(number)
    found, expected = seen(subjects, top=top, sigma=sigma).result(), by_numpy(subjects, top, sigma)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.dtype == torch.float32
        np.testing.assert_allclose(values.numpy(), expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 9), (3, 1, 2), (2, 2, 2)])
def test_smoothing_also_works_where_an_edge_is_shorter_than_its_reach(shape: tuple[int, int, int]) -> None:
    subjects = made(3, shape)
    found, expected = seen(subjects, sigma=2.0, top=0.5).result()["top"], by_numpy(subjects, 0.5, 2.0)["top"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[1::5])
def test_the_order_of_subjects_changes_nothing(order: tuple[int, ...]) -> None:
    subjects = made(4)
    first, second = seen(subjects).result(), seen([subjects[place] for place in order]).result()
    for name in first:
        torch.testing.assert_close(second[name], first[name])


def test_merging_is_associative_and_commutative_and_an_empty_one_changes_nothing() -> None:
    parts = [made(number, seed=number) for number in (1, 2, 4)]
    whole = seen([one for part in parts for one in part]).result()

    def joined(*populations: Population) -> Population:
        first, *rest = populations
        for other in rest:
            first.merge(other)
        return first

    a, b, c = (lambda place=place: seen(parts[place]) for place in range(3))
    for found in (
        joined(joined(a(), b()), c()),
        joined(a(), joined(b(), c())),
        joined(c(), b(), a()),
        joined(Population(), a(), Population(), b(), c(), Population()),
    ):
        for name, values in found.result().items():
            torch.testing.assert_close(values, whole[name])


@pytest.mark.parametrize(
    ("voxels", "top", "kept"),
    [
        (1, 0.1, 1),
        (4, 0.1, 1),
        (14, 0.1, 1),
        (16, 0.1, 2),
        (100, 0.1, 10),
        (100, 0.001, 1),
        (100, 0.999, 100),
        (37, 1.0, 37),
    ],
)
def test_the_share_of_the_brain_that_is_kept_is_rounded_and_at_least_a_voxel(
    voxels: int, top: float, kept: int
) -> None:
    brain = (torch.arange(210) < voxels).reshape(SHAPE)
    map = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) + 0.1
    found = seen([(map, brain)], top=top, sigma=0.0).result()["top"] > 0
    assert int(found.sum()) == kept and not bool((found & ~brain).any())


def test_voxels_that_tie_with_the_lowest_kept_one_are_all_kept() -> None:
    map = torch.tensor([5.0, 3.0, 3.0, 3.0, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1]).reshape(10, 1, 1)
    found = seen([(map, torch.ones(10, 1, 1, dtype=torch.bool))], top=0.2, sigma=0.0).result()["top"]
    assert found.flatten().tolist() == [5.0, 3.0, 3.0, 3.0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("half", "number", "there"), [(1, 2, True), (1, 3, False), (2, 3, True), (2, 4, True)])
def test_a_voxel_is_brain_from_exactly_half_of_the_subjects_on(half: int, number: int, there: bool) -> None:
    brains = [torch.full(SHAPE, place < half) for place in range(number)]
    found = seen([(torch.ones(SHAPE), brain) for brain in brains], top=1.0, sigma=0.0).result()["top"]
    assert bool(found.any()) == there


def test_where_nobody_has_brain_nothing_is_kept() -> None:
    result = seen([(map, torch.zeros(SHAPE, dtype=torch.bool)) for map, _ in made(3)]).result()
    assert not result["top"].any() and result["mean"].any()


def test_one_voxel_of_brain_is_kept_and_its_smoothing_keeps_its_sum() -> None:
    map, brain = torch.full((15, 15, 15), 2.0), torch.zeros(15, 15, 15, dtype=torch.bool)
    brain[7, 7, 7] = True
    top = seen([(map, brain)], sigma=1.0).result()["top"].double()
    assert float(top.sum()) == pytest.approx(2.0, rel=1e-5)
    places = torch.arange(15.0).double() - 7
    for axis in range(3):  # one voxel is one voxel along every axis: a variance of 1, less what 4 SD cut off
        along = top.sum(dim=[other for other in range(3) if other != axis]) / 2
        assert float((along * places.square()).sum()) == pytest.approx(1.0, abs=0.01)


def test_without_any_brain_told_the_whole_volume_is_one() -> None:
    population = Population(top=0.1, sigma=0.0)
    population.add(torch.arange(210.0).reshape(SHAPE))
    assert int((population.result()["top"] > 0).sum()) == 21


def test_a_unit_of_importance_scales_the_picture_and_an_offset_does_not_move_it() -> None:
    subjects = [(map.abs() + 0.1, brain) for map, brain in made(4)]
    first = seen(subjects).result()
    scaled = seen([(3 * map, brain) for map, brain in subjects]).result()
    moved = seen([(map + 100, brain) for map, brain in subjects], sigma=0.0).result()
    for name in ("top", "mean", "std"):
        torch.testing.assert_close(scaled[name], 3 * first[name])
    torch.testing.assert_close(moved["std"], first["std"], rtol=1e-4, atol=1e-6)
    assert torch.equal(moved["top"] > 0, seen(subjects, sigma=0.0).result()["top"] > 0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipped_subjects_give_the_flipped_population(axis: int) -> None:
    subjects = made(3)
    first = seen(subjects).result()
    second = seen([(map.flip(axis), brain.flip(axis)) for map, brain in subjects]).result()
    for name, values in first.items():
        torch.testing.assert_close(second[name], values.flip(axis))


def test_twice_the_same_subjects_keep_mean_and_picture() -> None:
    once, twice = seen(made(3)).result(), seen(made(3) * 2).result()
    torch.testing.assert_close(twice["mean"], once["mean"])
    torch.testing.assert_close(twice["top"], once["top"])
    torch.testing.assert_close(twice["std"], once["std"] * math.sqrt(2 * 2 / 5))  # divided by n - 1: 2 of 3, 5 of 6


def test_a_spread_of_equal_maps_is_0_however_large_they_are() -> None:
    result = seen([(torch.full(SHAPE, 1e4 / 3), torch.ones(SHAPE, dtype=torch.bool))] * 7).result()
    assert float(result["std"].max()) < 1e-3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_map_that_is_not_finite_is_refused_and_changes_nothing(value: float) -> None:
    subjects = made(2)
    population, before = seen(subjects), seen(subjects).result()
    bad = torch.rand(SHAPE)
    bad[1, 2, 3] = value
    with pytest.raises(InputError, match=r"must hold finite values, 1 of 210 are NaN or infinite\."):
        population.add(bad)
    for name, values in population.result().items():
        assert torch.equal(values, before[name])


@pytest.mark.parametrize("shape", [(1, 6, 5), (7, 6, 6), (6, 5), (1, 7, 6, 5)])
def test_a_map_or_a_population_of_another_shape_is_refused_and_changes_nothing(shape: tuple[int, ...]) -> None:
    population, before = seen(made(2)), seen(made(2)).result()
    other = Population()
    other.add(torch.rand(shape))
    message = r"Maps must have one shape, \(7, 6, 5\) so far, got"
    for wrong in (lambda: population.add(torch.rand(shape)), lambda: population.merge(other)):
        with pytest.raises(InputError, match=message):
            wrong()
    for name, values in population.result().items():
        assert torch.equal(values, before[name])


def test_a_population_of_nobody_has_no_result() -> None:
    with pytest.raises(ValueError, match="no map has been added"):
        Population().result()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0.0}, "top of Population must be above 0, got 0.0."),
        ({"top": 1.01}, "top of Population must be at most 1, got 1.01."),
        ({"sigma": -0.1}, "sigma of Population must be at least 0, got -0.1."),
        ({"sigma": math.inf}, "sigma of Population must be a finite number, got inf."),
        ({"top": math.nan}, "top of Population must be above 0, got nan."),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Population(**options)
    assert str(refused.value) == message


def test_the_picture_s_title_says_what_was_kept_and_how_it_was_smoothed() -> None:
    assert Population().caption == "mean over subjects, top 10 % of the brain, smoothed by 1 voxel"
    assert "top 2.5 % of the brain, smoothed by 0 voxel" in Population(top=0.025, sigma=0.0).caption
    assert Population.pictured == "top"


def test_a_map_with_a_gradient_or_in_half_precision_is_added_as_its_values_are() -> None:
    plain, (map, brain) = made(1), made(1)[0]
    free = seen([(map.clone().requires_grad_(True), brain)]).result()
    half = seen([(map.half(), brain)]).result()
    for name, values in seen(plain).result().items():
        assert torch.equal(free[name], values) and not free[name].requires_grad
        torch.testing.assert_close(half[name], values, rtol=1e-3, atol=1e-3)
