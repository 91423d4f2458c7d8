"""Repeatability: the intraclass correlation against its authors' example and another computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interpbench import NotApplicable
from interpbench.testing import cube_predictor, toy_brain, toy_case
from interpbench_measures.repeatability import Repeatability, icc

SHAPE = (12, 14, 10)
# Shrout and Fleiss 1979, table 2: six targets by four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def random_map(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


def repeated(first: torch.Tensor, second: torch.Tensor, **fields) -> dict:
    case = toy_case(cube_predictor(SHAPE), first, again=lambda **_: second, **fields)
    return dict(Repeatability().measure(case))


def test_the_intraclass_correlation_is_that_of_its_authors() -> None:
    assert icc(SHROUT_FLEISS) == pytest.approx(0.29, abs=0.005)


def test_the_intraclass_correlation_follows_from_the_components_of_variance() -> None:
    random = np.random.default_rng(0)
    n, k = 400, 30
    ratings = 2.0 * random.standard_normal((n, 1)) + 1.0 * random.standard_normal((1, k))
    ratings = ratings + 0.5 * random.standard_normal((n, k))
    # Least squares of targets and raters as dummies, instead of the sums of squares.
    design = np.concatenate([np.repeat(np.eye(n), k, axis=0), np.tile(np.eye(k), (n, 1))[:, 1:]], axis=1)
    fitted = np.linalg.lstsq(design, ratings.ravel(), rcond=None)[0]
    error = ((ratings.ravel() - design @ fitted) ** 2).sum() / ((n - 1) * (k - 1))
    target = ratings.mean(axis=1).var(ddof=1) - error / k
    rater = ratings.mean(axis=0).var(ddof=1) - error / n
    assert icc(ratings) == pytest.approx(target / (target + rater + error))
    assert icc(ratings) == pytest.approx(4 / (4 + 1 + 0.25), abs=0.1)


def test_equal_columns_agree_and_others_agree_less() -> None:
    column = np.arange(10.0)
    assert icc(np.stack([column, column], axis=1)) == pytest.approx(1.0)
    assert icc(np.stack([column, -column], axis=1)) < 0
    assert icc(np.stack([column, column + 3], axis=1)) < 1  # absolute agreement
    assert icc(np.stack([column, 2 * column], axis=1)) < 1


@pytest.mark.parametrize("ratings", [np.ones((5, 2)), np.ones((1, 2)), np.arange(5.0)[:, None]])
def test_where_nothing_can_vary_there_is_no_number(ratings: np.ndarray) -> None:
    assert math.isnan(icc(ratings))


def test_a_method_without_a_seed_repeats_itself() -> None:
    assert repeated(random_map(0), random_map(0)) == pytest.approx({"repeat_spearman": 1.0, "repeat_icc": 1.0})


def test_noise_does_not_repeat() -> None:
    found = repeated(random_map(0), random_map(1))
    assert abs(found["repeat_spearman"]) < 0.1
    assert abs(found["repeat_icc"]) < 0.6  # 25 regions or so


def test_only_importance_inside_the_brain_counts() -> None:
    first, second = random_map(0), random_map(0) + 0.1 * random_map(1)
    moved = -second + 5.0 * ~toy_brain(SHAPE)
    moved[~toy_brain(SHAPE)] = 7.0
    assert repeated(first, moved, signed=True) == repeated(first, second)


def test_the_regions_are_an_atlass_where_there_is_one() -> None:
    first, second = random_map(0), random_map(1)
    halves = torch.where(torch.arange(SHAPE[0]) < 6, 1, 2)[:, None, None] * toy_brain(SHAPE)
    found = repeated(first, second, regions=halves)["repeat_icc"]
    means = [[float(map[halves == number].mean()) for map in (first, second)] for number in (1, 2)]
    assert found == pytest.approx(icc(means), abs=1e-4)
    assert found != pytest.approx(repeated(first, second)["repeat_icc"])


def test_in_one_region_only_voxels_can_be_compared() -> None:
    found = repeated(random_map(0), random_map(0), regions=toy_brain(SHAPE).long())
    assert found["repeat_spearman"] == 1.0
    assert math.isnan(found["repeat_icc"])


def test_the_other_seed_is_the_same_for_every_subject() -> None:
    seeds = []

    def again(**changed) -> torch.Tensor:
        seeds.append(changed["seed"])
        return random_map(1)

    for subject in range(2):
        case = toy_case(cube_predictor(SHAPE), random_map(0), subject=subject, run_seed=7, again=again)
        Repeatability().measure(case)
    assert seeds[0] == seeds[1] != 7


def test_a_map_that_is_given_cannot_be_repeated() -> None:
    with pytest.raises(NotApplicable, match="cannot be made again"):
        Repeatability().measure(toy_case(cube_predictor(SHAPE), random_map(0), without=["again"]))
