"""ROAD's linear system against its definition, a dense and a sparse direct solve."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from interpbench.testing import toy_brain, toy_brains
from interpbench_measures.road import NOISE, connected, neighbour_weights, road

SHAPE = (6, 7, 8)
BRAIN = toy_brain(SHAPE)
STEPS = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]


def weight(step: tuple[int, ...]) -> float:
    return {1: 3 / 44, 2: 3 / 88, 3: 1 / 44}[sum(map(abs, step))]


def random_hidden(brain: torch.Tensor, shares: list[float], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([(torch.rand(brain.shape, generator=generator) < share) & brain for share in shares])


def halves(brain: torch.Tensor) -> torch.Tensor:
    """Wide holes: all but a slab at one end, all but the middle, and a half."""
    place = torch.arange(brain.shape[0])[:, None, None].expand(brain.shape)
    last = brain.shape[0] - 1
    return torch.stack([(place > 0.2 * last) & brain, ((place - last / 2).abs() > 2) & brain, (place < 7) & brain])


def solved_directly(volume: torch.Tensor, brain: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """The definition, equation by equation: `sum of w * (h_v - neighbour) = 0` over the neighbours in the brain."""
    number = -np.ones(brain.shape, dtype=int)
    places = np.argwhere(hidden.numpy())
    number[tuple(places.T)] = np.arange(len(places))
    entries, right = [], np.zeros(len(places))
    inside, values = brain.numpy(), volume[0].double().numpy()
    for row, place in enumerate(places):
        for step in STEPS:
            at = tuple(place + step)
            if min(at) < 0 or any(a >= edge for a, edge in zip(at, brain.shape, strict=True)) or not inside[at]:
                continue
            entries.append((row, row, weight(step)))
            if number[at] >= 0:
                entries.append((row, int(number[at]), -weight(step)))
            else:
                right[row] += weight(step) * values[at]
    rows, columns, factors = zip(*entries, strict=True)
    matrix = sparse.csc_matrix((factors, (rows, columns)), shape=(len(places), len(places)))
    found = volume[0].double().clone()
    solution = np.linalg.solve(matrix.toarray(), right) if len(places) < 300 else spsolve(matrix, right)
    found[tuple(torch.from_numpy(places.T))] = torch.from_numpy(solution)
    return found


def test_the_weights_of_the_neighbours_are_the_papers_in_3d() -> None:
    weights = neighbour_weights()
    for step in STEPS:
        assert float(weights[tuple(1 + one for one in step)]) == pytest.approx(weight(step))
    assert float(weights[1, 1, 1]) == 0
    assert float(weights.sum()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_a_small_brain_agrees_with_the_dense_solve(seed: int) -> None:
    volume = toy_brains(1, SHAPE, seed)[0]
    hidden = random_hidden(BRAIN, [0.05, 0.3, 0.6, 0.9], seed)
    found = road(volume, BRAIN, hidden)
    for row, chosen in zip(found, hidden, strict=True):
        assert float((row[0] - solved_directly(volume, BRAIN, chosen)).abs().max()) < 1e-3


def test_wide_holes_agree_with_the_sparse_direct_solve_to_a_tenth_of_the_noise() -> None:
    shape = (15, 14, 16)
    brain, volume = toy_brain(shape), toy_brains(1, shape)[0]
    hidden = torch.cat([halves(brain), random_hidden(brain, [0.9])])
    for row, chosen in zip(road(volume, brain, hidden), hidden, strict=True):
        error = (row[0] - solved_directly(volume, brain, chosen))[chosen]
        assert float(error.square().mean().sqrt()) < NOISE / 10


def test_the_tolerance_is_in_standard_deviations_of_the_brain() -> None:
    volume, hidden = toy_brains(1, SHAPE)[0], random_hidden(BRAIN, [0.5])
    once, scaled = road(volume, BRAIN, hidden), road(1000 * volume, BRAIN, hidden)
    assert torch.allclose(1000 * once, scaled, rtol=1e-4, atol=1e-2)


def test_an_offset_of_the_image_changes_nothing_else() -> None:
    volume, hidden = toy_brains(1, SHAPE)[0], random_hidden(BRAIN, [0.5])
    assert torch.allclose(road(volume, BRAIN, hidden) + 300, road(volume + 300, BRAIN, hidden), atol=1e-3)


def test_a_ramp_is_continued_through_a_hole() -> None:
    shape = (9, 11, 10)
    everywhere = torch.ones(shape, dtype=torch.bool)
    i, j, k = (torch.arange(float(edge)) for edge in shape)
    ramp = (i[:, None, None] - 2 * j[None, :, None] + 0.5 * k)[None]
    hidden = torch.zeros((1, *shape), dtype=torch.bool)
    hidden[0, 2:7, 3:8, 2:8] = True
    assert torch.allclose(road(ramp, everywhere, hidden)[0], ramp, atol=0.02)


def test_what_lies_outside_the_brain_does_not_count() -> None:
    volume, hidden = toy_brains(1, SHAPE)[0], random_hidden(BRAIN, [0.5])
    elsewhere = torch.where(BRAIN, volume, torch.full_like(volume, 1e4))
    assert torch.allclose(road(volume, BRAIN, hidden)[0, 0][BRAIN], road(elsewhere, BRAIN, hidden)[0, 0][BRAIN])


def test_a_set_does_not_depend_on_what_else_is_solved() -> None:
    volume, hidden = toy_brains(1, SHAPE)[0], random_hidden(BRAIN, [0.1 + 0.02 * step for step in range(40)])
    together = road(volume, BRAIN, hidden)
    alone = torch.cat([road(volume, BRAIN, hidden[row : row + 1]) for row in (0, 17, 39)])
    assert torch.allclose(together[[0, 17, 39]], alone, atol=2e-3)


def test_a_part_of_the_brain_without_visible_neighbours_gets_the_mean_of_the_visible() -> None:
    brain = torch.zeros(SHAPE, dtype=torch.bool)
    brain[0:2, 0:3, 0:3] = True
    brain[4:6, 4:7, 5:8] = True
    assert connected(brain).unique().tolist() == [0, 1, 2]
    volume, hidden = toy_brains(1, SHAPE)[0], torch.zeros((2, *SHAPE), dtype=torch.bool)
    hidden[0, 4:6, 4:7, 5:8] = True  # one part, wholly
    hidden[0, 0, 0, 0] = True  # and something of the other
    hidden[1] = brain  # everything
    found = road(volume, brain, hidden)
    assert torch.allclose(found[0, 0, 4:6, 4:7, 5:8], volume[0][brain & ~hidden[0]].mean())
    first = connected(brain) == 1
    alone = solved_directly(volume, first, hidden[0] & first)
    assert float(found[0, 0, 0, 0, 0]) == pytest.approx(float(alone[0, 0, 0]), abs=1e-3)
    assert torch.allclose(found[1, 0][brain], volume[0][brain].mean(), atol=1e-6)


def test_an_image_without_contrast_stays_as_it_is() -> None:
    flat = torch.full((1, *SHAPE), 1234.5)
    assert torch.equal(road(flat, BRAIN, random_hidden(BRAIN, [0.3, 0.8])), flat.expand(2, 1, *SHAPE))


def test_corners_connect() -> None:
    brain = torch.zeros(SHAPE, dtype=torch.bool)
    brain[1, 1, 1] = brain[2, 2, 2] = brain[5, 5, 5] = True
    assert int(connected(brain).max()) == 2


def test_the_noise_is_a_hundredth_of_the_brains_spread_and_lies_on_hidden_voxels() -> None:
    volume, hidden = 3 * toy_brains(1, SHAPE)[0], random_hidden(BRAIN, [0.5])
    noise = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(0))
    added = road(volume, BRAIN, hidden, noise=noise) - road(volume, BRAIN, hidden)
    spread = volume[0][BRAIN].std(correction=0)
    assert torch.allclose(added[0], 0.01 * spread * noise * hidden[0], atol=1e-5)


def test_nothing_hidden_gives_the_volume_back_and_no_sets_give_none() -> None:
    volume = toy_brains(1, SHAPE)[0]
    assert torch.equal(road(volume, BRAIN, torch.zeros((1, *SHAPE), dtype=torch.bool))[0], volume)
    assert road(volume, BRAIN, torch.zeros((0, *SHAPE), dtype=torch.bool)).shape == (0, 1, *SHAPE)
