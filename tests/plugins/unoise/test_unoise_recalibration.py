"""The line from noisy predictions to targets: least squares a second way, its memory, and its limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from interpbench_unoise.recalibration import MEMORY, SLOPES, Recalibration, recalibrated

Pair = tuple[torch.Tensor, torch.Tensor]


def some(number: int, slope: float, seed: int = 0, noise: float = 1.0) -> Pair:
    draw = torch.Generator().manual_seed(seed)
    predictions = 55 + 6 * torch.randn(number, generator=draw)
    return predictions, slope * predictions - 12 + noise * torch.randn(number, generator=draw)


def line_of(*batches: Pair) -> Recalibration:
    line = Recalibration()
    for predictions, targets in batches:
        line.update(predictions, targets)
    return line


def weighted_fit(batches: list[Pair], memory: float) -> NDArray[np.float64]:
    """Slope and intercept by numpy, where a batch that lies n steps back counts memory^n."""
    p, t = (torch.cat([pair[place] for pair in batches]).double().numpy() for place in (0, 1))
    back = np.repeat(range(len(batches) - 1, -1, -1), [len(pair[0]) for pair in batches])
    return np.polyfit(p, t, 1, w=np.sqrt(memory**back))  # polyfit squares its weights


@pytest.mark.parametrize("slope", [0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("number", [2, 5, 40])
def test_the_running_line_is_numpy_s_fit_with_fading_weights(slope: float, number: int) -> None:
    batches = [some(8, slope, seed) for seed in range(number)]
    line = line_of(*batches)
    assert [line.slope, line.intercept] == pytest.approx(weighted_fit(batches, MEMORY), rel=1e-6)


def test_what_it_remembers_fades_by_a_hundredth_a_step() -> None:
    """Two lines through one point, seen by subjects with one spread: the slope is the mean of both by weight."""
    predictions = torch.linspace(45, 65, 10)
    old, new = ((predictions, 55 + slope * (predictions - 55)) for slope in (3.0, 1.0))
    for steps in (0, 1, 50, 500):
        past, present = MEMORY**steps, sum(MEMORY**step for step in range(steps))
        expected = (3.0 * past + 1.0 * present) / (past + present)
        assert line_of(old, *[new] * steps).slope == pytest.approx(expected, rel=1e-5)


def test_the_order_of_subjects_in_a_batch_changes_nothing_and_that_of_batches_does() -> None:
    first, second = some(16, 2.0, seed=3), some(16, 1.0, seed=4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    shuffled = (first[0][order], first[1][order])
    assert line_of(shuffled).moments == pytest.approx(line_of(first).moments, rel=1e-12)
    assert line_of(first, second).slope < line_of(second, first).slope


@pytest.mark.parametrize(
    ("batches", "slope"),
    [
        ([], 1.0),
        ([some(7, 2.0)], 1.0),
        ([(torch.full((20,), 60.0), torch.linspace(40, 80, 20))], 1.0),
        ([some(50, 0.05, noise=0.1)], SLOPES[0]),
        ([some(50, -1.0)], SLOPES[0]),
        ([some(50, 9.0)], SLOPES[1]),
    ],
    ids=["nobody", "seven subjects", "one prediction for all", "almost flat", "downwards", "very steep"],
)
def test_a_line_that_cannot_be_trusted_is_held(batches: list[Pair], slope: float) -> None:
    assert line_of(*batches).slope == slope


@pytest.mark.parametrize("batches", [[some(7, 2.0)], [some(50, 9.0)], [some(50, -1.0)], [some(30, 1.4)]])
def test_whatever_the_slope_the_line_passes_through_the_means(batches: list[Pair]) -> None:
    line, (predictions, targets) = line_of(*batches), batches[0]
    middle = line.slope * float(predictions.double().mean()) + line.intercept
    assert middle == pytest.approx(float(targets.double().mean()), rel=1e-6)


def test_nobody_seen_moves_nothing() -> None:
    assert Recalibration().intercept == 0.0


@pytest.mark.parametrize(("scale", "offset"), [(12.0, 0.0), (1.0, -50.0), (0.1, 7.0)])
def test_another_unit_of_predictions_and_targets_changes_the_line_with_it(scale: float, offset: float) -> None:
    predictions, targets = some(64, 1.4)
    line, other = line_of((predictions, targets)), line_of((scale * predictions + offset, scale * targets + offset))
    assert other.slope == pytest.approx(line.slope, rel=1e-4)
    expected = scale * line.intercept + offset * (1 - line.slope)
    assert other.intercept == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_the_memory_is_five_numbers_and_can_be_put_back() -> None:
    line = line_of(some(20, 1.4), some(20, 1.3, seed=1))
    again = Recalibration()
    again.moments[:] = line.moments
    assert len(line.moments) == 5 and all(type(one) is float for one in line.moments)
    assert (again.slope, again.intercept) == (line.slope, line.intercept)


def test_ages_far_from_zero_with_a_small_spread_keep_their_slope() -> None:
    """The moments are sums of squares: what float32 would lose here, float64 keeps."""
    draw = torch.Generator().manual_seed(0)
    predictions = 25_000 + torch.randn(200, generator=draw, dtype=torch.float64)  # days
    assert line_of((predictions, 1.5 * predictions - 9)).slope == pytest.approx(1.5, rel=1e-4)


@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.7, 3.0])
def test_recalibrating_is_numpy_s_straight_line(slope: float) -> None:
    predictions, targets = (values.double().numpy() for values in some(40, slope))
    onto = np.linspace(20, 90, 11)
    expected = np.polyval(np.polyfit(predictions, targets, 1), onto)
    np.testing.assert_allclose(recalibrated(predictions, targets, onto), expected, rtol=1e-9)


@pytest.mark.parametrize(("slope", "bias"), list(itertools.product((0.5, 1.0, 2.0), (-20.0, 0.0, 5.0))))
def test_on_those_it_was_fitted_to_no_line_errs_less(slope: float, bias: float) -> None:
    predictions, targets = (values.double().numpy() for values in some(40, slope, noise=4.0))
    residuals = recalibrated(predictions + bias, targets, predictions + bias) - targets
    assert abs(residuals.mean()) < 1e-9 and abs(np.cov(residuals, predictions)[0, 1]) < 1e-9
    assert np.square(residuals).mean() <= np.square(predictions + bias - targets).mean()


@pytest.mark.parametrize("number", [1, 5])
def test_from_predictions_that_do_not_differ_only_the_mean_can_be_told(number: int) -> None:
    targets = np.linspace(40, 80, number)
    found = recalibrated(np.full(number, 60.0), targets, np.array([10.0, 90.0]))
    assert found.tolist() == pytest.approx([targets.mean()] * 2)
