"""Repeatability: maps with two seeds, by voxel and by region."""

from __future__ import annotations

import math

import pytest
import torch

from interpbench import NotApplicable
from interpbench.kit import icc
from interpbench.testing import cube_predictor, toy_brain, toy_case
from interpbench_measures.repeatability import Repeatability

SHAPE = (12, 14, 10)


def random_map(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


def repeated(first: torch.Tensor, second: torch.Tensor, **fields) -> dict:
    case = toy_case(cube_predictor(SHAPE), first, again=lambda **_: second, **fields)
    return dict(Repeatability().measure(case))


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
