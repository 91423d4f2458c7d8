"""Importance put in order, with ties at random, and the same for every method."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import rankdata

from interpbench import NotApplicable
from interpbench_measures.ordering import check_not_flat, on_grid, places, shared_ranks


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_most_important_comes_first() -> None:
    assert places(torch.tensor([0.1, 0.9, 0.5, 0.0]), generator()).tolist() == [2, 0, 1, 3]


def test_every_place_is_taken_once_and_the_order_is_that_of_the_values() -> None:
    values = torch.randint(0, 10, (500,), generator=generator()).float()
    found = places(values, generator(1))
    assert sorted(found.tolist()) == list(range(500))
    assert bool((values[found.argsort()].diff() <= 0).all())


def test_the_same_seed_breaks_ties_alike_for_every_map_and_another_seed_otherwise() -> None:
    tied = torch.zeros(300)
    assert torch.equal(places(tied, generator(4)), places(tied + 7, generator(4)))
    assert not torch.equal(places(tied, generator(4)), places(tied, generator(5)))


def test_ties_are_not_broken_by_the_place_in_the_volume() -> None:
    tied = torch.zeros(20000)
    correlation = torch.corrcoef(torch.stack([places(tied, generator()).double(), torch.arange(20000.0).double()]))
    assert abs(float(correlation[0, 1])) < 0.03


def test_shared_ranks_are_those_of_scipy() -> None:
    values = torch.randint(0, 10, (200,), generator=generator()).float()
    assert shared_ranks(values).tolist() == rankdata(values.numpy()).tolist()


def test_values_return_to_their_voxels() -> None:
    brain = torch.rand((3, 4, 5), generator=generator()) > 0.5
    grid = on_grid(torch.arange(int(brain.sum())), brain, -1)
    assert grid[brain].tolist() == list(range(int(brain.sum())))
    assert bool((grid[~brain] == -1).all())


@pytest.mark.parametrize("values", [torch.zeros(5), torch.full((5,), 0.3), torch.zeros(0)])
def test_a_map_that_is_the_same_everywhere_says_nothing(values: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match="the same everywhere in the brain"):
        check_not_flat(values)


def test_one_voxel_that_differs_is_enough() -> None:
    check_not_flat(torch.tensor([0.0, 0.0, 1e-30]))
