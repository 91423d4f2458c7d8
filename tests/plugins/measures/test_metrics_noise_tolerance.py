"""Noise of one energy for every map, and what a linear predictor makes of it in closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from interpbench import Case, NotApplicable, UsageError
from interpbench.testing import constant_predictor, cube_predictor, linear_predictor, toy_brain, toy_brains
from interpbench_measures.noise_tolerance import NoiseTolerance, variance_by_rank
from interpbench_measures.ordering import on_grid

SHAPE = (6, 7, 8)
BRAIN = toy_brain(SHAPE)
N = int(BRAIN.sum())
WEIGHTS = 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
VOLUME = 3 * toy_brains(1, SHAPE)[0]  # an SD of 3 inside the brain


def toy_case(map: torch.Tensor, **changes: Any) -> Case:
    predictor = changes.pop("predictor", linear_predictor(WEIGHTS))
    with torch.no_grad():
        prediction = float(predictor.predict(VOLUME[None])[0])
    values: dict[str, Any] = {
        "subject": "01",
        "method": "toy",
        "predictor": predictor,
        "volume": VOLUME,
        "brain": BRAIN,
        "map": map,
        "signed": False,
        "learned": False,
        "prediction": prediction,
        "target": prediction + 2.0,
        "seed": 5,
    }
    return Case(**(values | changes))


def random_map(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(100 + seed))  # never the numbers of WEIGHTS


MAPS = {
    "random": random_map(0),
    "skewed": random_map(0) ** 20,
    "block": (random_map(1) > 0.9).float(),
    "levels": random_map(2).mul(5).round(),
    "one voxel": torch.zeros(SHAPE).index_fill_(1, torch.tensor([3]), 1.0),
}


@pytest.mark.parametrize("name", MAPS)
def test_the_energy_is_exactly_the_same_for_every_map(name: str) -> None:
    importance = MAPS[name][BRAIN]
    assert float((variance_by_rank(importance, 1.0) * N).round().sum()) == N * N  # sums of whole ranks: no rounding
    assert float(variance_by_rank(importance, 0.16).sum()) == pytest.approx(0.16 * N, rel=1e-12)


def test_the_variance_is_the_mean_over_all_cuts_of_noise_in_the_least_important_part() -> None:
    importance = torch.randperm(50, generator=torch.Generator().manual_seed(0)).double()
    cuts = torch.arange(0.05, 50, 0.1, dtype=torch.float64)  # may go through a voxel
    mean = torch.stack([(cut - importance).clamp(0, 1) for cut in cuts]).mean(dim=0)
    assert torch.allclose(variance_by_rank(importance, 0.3), 0.3 * mean / mean.mean())


def test_the_less_important_the_more_noise_and_equally_important_voxels_get_the_same() -> None:
    variance = variance_by_rank(torch.tensor([0.9, 0.0, 0.5, 0.0]), 1.0)
    assert variance.tolist() == [0.25, 1.5, 0.75, 1.5]


def test_the_change_of_a_linear_predictor_is_that_of_a_normal_variable() -> None:
    map = random_map(0)
    metric = NoiseTolerance(pairs=3000, energies=(0.04, 0.25))
    figures = metric.measure(toy_case(map, batch_size=500))
    spread = float(VOLUME[0][BRAIN].std(correction=0))
    variance = on_grid(variance_by_rank(map[BRAIN], 1.0), BRAIN, 0.0) * WEIGHTS.double().square()
    expected = [math.sqrt(2 / math.pi * energy * float(variance.sum())) * spread for energy in metric.energies]
    assert figures["noise_error"] == pytest.approx(expected, rel=0.05)
    assert figures["noise_tolerance"] == pytest.approx(sum(expected) / 2, rel=0.05)


def test_without_curvature_the_spread_is_the_change() -> None:
    figures = NoiseTolerance().measure(toy_case(random_map(0)))
    assert figures["noise_spread"] == pytest.approx(figures["noise_tolerance"], rel=1e-3)


def test_a_shift_that_noise_gives_to_everybody_is_no_spread() -> None:
    predictor = cube_predictor(SHAPE, nonlinear=True)
    assert predictor.truth is not None
    wrong = NoiseTolerance().measure(toy_case(1 - predictor.truth, predictor=predictor))
    assert wrong["noise_spread"] < wrong["noise_tolerance"]  # type: ignore[operator]


def test_the_perfect_map_tolerates_most_and_its_reverse_least() -> None:
    perfect, squares = WEIGHTS.abs(), WEIGHTS[BRAIN].double().square()

    def expected(map: torch.Tensor) -> float:  # of the squared change of a linear predictor
        return float((variance_by_rank(map[BRAIN], 1.0) * squares).sum())

    assert all(expected(perfect) < expected(random_map(seed)) < expected(9 - perfect) for seed in range(200))
    metric, many = NoiseTolerance(pairs=500, energies=(0.1,)), {"batch_size": 500}
    found = [metric.measure(toy_case(map, **many)) for map in (perfect, random_map(0), 9 - perfect)]
    best, other, worst = (figures["noise_tolerance"] for figures in found)
    assert best < other < worst  # type: ignore[operator]


def test_what_is_returned_is_what_is_declared() -> None:
    metric = NoiseTolerance(energies=(0.1, 0.2, 0.4))
    figures = metric.measure(toy_case(random_map(0)))
    assert set(figures) == {measure.name for measure in metric.measures}
    for measure in metric.measures:
        assert not measure.steps or (measure.steps, len(figures[measure.name])) == (metric.energies, 3)  # type: ignore[arg-type]


def test_only_the_order_of_a_map_counts() -> None:
    map = random_map(3)
    scaled = torch.where(BRAIN, -((1 + map) ** 5), torch.tensor(1e6))
    assert NoiseTolerance().measure(toy_case(map)) == NoiseTolerance().measure(toy_case(scaled, signed=True))


def test_figures_do_not_depend_on_the_batch_size_nor_on_who_was_measured_before() -> None:
    shared: dict[str, Any] = {}
    NoiseTolerance().measure(toy_case(random_map(7), shared=shared))
    alone, after = (
        NoiseTolerance().measure(toy_case(random_map(1), **more))
        for more in ({"batch_size": 1}, {"batch_size": 7, "shared": shared})
    )
    for name, value in alone.items():
        assert after[name] == pytest.approx(value, abs=1e-4)


def test_added_error_is_against_the_target() -> None:
    figures = NoiseTolerance().measure(toy_case(random_map(1), predictor=constant_predictor(SHAPE)))
    assert figures["noise_added_error"] == pytest.approx([0.0] * 4, abs=1e-5)
    case = toy_case(random_map(1))
    known = NoiseTolerance().measure(toy_case(random_map(1), target=case.prediction))
    assert known["noise_added_error"] == pytest.approx(known["noise_error"])
    unknown = NoiseTolerance().measure(toy_case(random_map(1), target=math.nan))
    assert all(math.isnan(value) for value in unknown["noise_added_error"])  # type: ignore[union-attr]
    assert unknown["noise_tolerance"] == known["noise_tolerance"]


def test_a_map_that_is_flat_in_the_brain_has_no_figures() -> None:
    with pytest.raises(NotApplicable, match="the same everywhere"):
        NoiseTolerance().measure(toy_case((~BRAIN).float()))


@pytest.mark.parametrize(
    "options",
    [
        {"energies": ()},
        {"energies": (0.0, 1.0)},
        {"energies": (0.2, 0.1)},
        {"pairs": 0},
    ],
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="of NoiseTolerance must be"):
        NoiseTolerance(**options)
