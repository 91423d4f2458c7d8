"""Deletion curves of linear predictors have a closed form, and the perfect map has the largest gain."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from interpbench import Case, NotApplicable, UsageError
from interpbench.testing import cube_predictor, linear_predictor, toy_brain, toy_brains
from interpbench_measures.deletion import STEPS, Deletion, hidden_voxels, symmetric_relevance_gain
from interpbench_measures.imputers import IMPUTERS

SHAPE = (6, 7, 8)
BRAIN = toy_brain(SHAPE)
N = int(BRAIN.sum())
GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = 0.3 * torch.randn(SHAPE, generator=GENERATOR)
VOLUME = toy_brains(1, SHAPE)[0]
ZERO = Deletion(imputers=("zero",))


def toy_case(map: torch.Tensor, **changes: Any) -> Case:
    predictor = changes.pop("predictor", linear_predictor(WEIGHTS))
    volume = changes.setdefault("volume", VOLUME)
    with torch.no_grad():
        prediction = float(predictor.predict(volume[None])[0])
    values: dict[str, Any] = {
        "subject": "01",
        "method": "toy",
        "predictor": predictor,
        "brain": BRAIN,
        "map": map,
        "signed": False,
        "learned": False,
        "prediction": prediction,
        "target": prediction + 2.0,
        "seed": 5,
        "voxel_size": 4.0,
        "mean_volume": toy_brains(9, SHAPE, 3).mean(dim=0),
    }
    return Case(**(values | changes))


def random_map(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


def uphill(volume: torch.Tensor = VOLUME) -> torch.Tensor:
    """Weights with which every brain voxel adds years, so that no two effects cancel."""
    return WEIGHTS.abs() * torch.where(volume[0] < 0, -1.0, 1.0)


def test_what_is_returned_is_what_is_declared() -> None:
    metric = Deletion()
    figures, declared = metric.measure(toy_case(random_map(0))), metric.measures
    assert {measure.name for measure in declared} == set(figures)
    for measure in declared:
        value = figures[measure.name]
        assert len(value) == len(measure.steps) if measure.steps else isinstance(value, float)  # type: ignore[arg-type]
    assert {f"srg_{name}" for name in IMPUTERS} == {one.name for one in declared if one.direction == "higher"}
    assert {f"top_half_error_{name}" for name in IMPUTERS} == {one.name for one in declared if one.direction == "lower"}


def test_the_curves_of_a_linear_predictor_are_sums_over_the_hidden_voxels() -> None:
    map = random_map(1)
    figures = ZERO.measure(toy_case(map))
    contributions = (WEIGHTS * VOLUME[0])[BRAIN].double()
    descending = contributions[map[BRAIN].argsort(descending=True)]
    for name, order in (("morf", descending), ("lerf", descending.flip(0))):
        expected = [abs(float(order[: round(step / 100 * N)].sum())) for step in STEPS]
        assert figures[f"{name}_zero"] == pytest.approx(expected, abs=1e-4)


def test_the_gain_is_the_trapezoid_between_the_curves_over_the_hidden_fraction() -> None:
    assert symmetric_relevance_gain((0, 10, 50), (0, 2, 4), (0, 1, 1)) == pytest.approx(0.1 * 0.5 + 0.4 * 2.0)
    figures = ZERO.measure(toy_case(random_map(1)))
    expected = symmetric_relevance_gain(STEPS, figures["morf_zero"], figures["lerf_zero"])  # type: ignore[arg-type]
    assert figures["srg_zero"] == pytest.approx(expected)


def test_the_perfect_map_of_a_linear_predictor_has_the_largest_gain_and_its_reverse_the_negative() -> None:
    weights = uphill()
    predictor, perfect = linear_predictor(weights), (weights * VOLUME[0]).abs()
    best = ZERO.measure(toy_case(perfect, predictor=predictor))["srg_zero"]
    reverse = ZERO.measure(toy_case(perfect.max() + 1 - perfect, predictor=predictor))["srg_zero"]
    others = [ZERO.measure(toy_case(random_map(seed), predictor=predictor))["srg_zero"] for seed in range(30)]
    assert all(other < best for other in others)
    assert reverse == pytest.approx(-best, rel=1e-4)


def test_random_maps_gain_nothing_on_average() -> None:
    predictor = linear_predictor(uphill())
    gains = torch.tensor(
        [ZERO.measure(toy_case(random_map(seed), predictor=predictor))["srg_zero"] for seed in range(80)]
    )
    assert abs(float(gains.mean())) < 3 * float(gains.std()) / math.sqrt(80)


@pytest.mark.parametrize("imputer", IMPUTERS)
def test_where_the_cube_matters_the_cube_wins_with_every_imputer(imputer: str) -> None:
    shape = (10, 12, 11)
    predictor, volume = cube_predictor(shape, nonlinear=True), toy_brains(1, shape, 4)[0]
    case = {"predictor": predictor, "volume": volume, "brain": toy_brain(shape), "mean_volume": 0 * volume}
    assert predictor.truth is not None
    metric = Deletion(imputers=(imputer,))
    true = metric.measure(toy_case(predictor.truth, **case))[f"srg_{imputer}"]
    random = metric.measure(toy_case(torch.rand(shape, generator=GENERATOR), **case))[f"srg_{imputer}"]
    assert true > max(random, 0)


def test_error_curves_are_added_absolute_error() -> None:
    case = toy_case(random_map(2))
    figures = ZERO.measure(case)
    metric_steps = [step for step in STEPS if step > 0]
    order = random_map(2)[BRAIN].argsort(descending=True)
    expected = [0.0]
    for step in metric_steps:
        hidden = torch.zeros(N, dtype=torch.bool)
        hidden[order[: round(step / 100 * N)]] = True
        visible = VOLUME.clone()
        visible[0][BRAIN] = torch.where(hidden, 0.0, VOLUME[0][BRAIN])
        prediction = float(case.predictor.predict(visible[None])[0])
        expected.append(abs(prediction - case.target) - abs(case.prediction - case.target))
    assert figures["error_morf_zero"] == pytest.approx(expected, abs=1e-4)


def test_the_top_half_is_what_remains_when_the_lower_half_is_hidden() -> None:
    map, steps = random_map(3), (0.0, 25.0, 80.0)
    case = toy_case(map)
    visible = VOLUME.clone()
    visible[0][BRAIN] *= map[BRAIN].argsort().argsort() >= round(0.5 * N)
    expected = abs(float(case.predictor.predict(visible[None])[0]) - case.target)
    for metric in (ZERO, Deletion(imputers=("zero",), steps=steps)):  # also where 50 % is no step
        assert metric.measure(case)["top_half_error_zero"] == pytest.approx(expected, abs=1e-4)


def test_without_a_target_there_are_curves_of_change_and_none_of_error() -> None:
    figures = ZERO.measure(toy_case(random_map(0), target=math.nan))
    assert all(math.isnan(value) for value in figures["error_lerf_zero"])  # type: ignore[union-attr]
    assert math.isnan(figures["top_half_error_zero"])  # type: ignore[arg-type]
    assert math.isfinite(figures["srg_zero"])  # type: ignore[arg-type]


def test_without_a_mean_image_only_that_imputer_has_no_figures() -> None:
    figures = Deletion(imputers=("mean", "blur")).measure(toy_case(random_map(0), mean_volume=None))
    assert math.isnan(figures["srg_mean"])  # type: ignore[arg-type]
    assert all(math.isnan(value) for value in figures["morf_mean"])  # type: ignore[union-attr]
    assert math.isfinite(figures["srg_blur"])  # type: ignore[arg-type]


def test_figures_do_not_depend_on_the_batch_size() -> None:
    metric = Deletion()
    one, many = (metric.measure(toy_case(random_map(1), batch_size=size)) for size in (1, 7))
    for name, value in one.items():
        assert many[name] == pytest.approx(value, abs=1e-4)


def test_only_the_order_of_a_map_counts_and_what_is_outside_the_brain_does_not() -> None:
    map = random_map(1)
    scaled = torch.where(BRAIN, -5 * map**3, torch.tensor(1e6))
    assert ZERO.measure(toy_case(map)) == ZERO.measure(toy_case(scaled, signed=True))


def test_voxels_of_equal_importance_go_in_one_order_whatever_their_value() -> None:
    block = torch.zeros(SHAPE)
    block[2:4, 2:5, 3:6] = 1.0
    assert ZERO.measure(toy_case(block)) == ZERO.measure(toy_case(7 * block + 1))
    assert ZERO.measure(toy_case(block)) != ZERO.measure(toy_case(block, seed=6))


def test_hidden_sets_grow_by_the_step_and_start_from_both_ends() -> None:
    place = torch.randperm(N, generator=GENERATOR)
    hidden = hidden_voxels(place, BRAIN, (10.0, 50.0, 100.0))
    counts = [round(share * N) for share in (0.1, 0.5, 1.0)]
    assert hidden.flatten(1).sum(dim=1).tolist() == counts * 2
    assert not bool((hidden & ~BRAIN).any())
    assert not bool((hidden[0] & hidden[3]).any())
    assert torch.equal(hidden[2], BRAIN) and torch.equal(hidden[5], BRAIN)


@pytest.mark.parametrize("map", [torch.zeros(SHAPE), torch.full(SHAPE, -0.4), (~BRAIN).float()])
def test_a_map_that_is_flat_in_the_brain_has_no_figures(map: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match="the same everywhere"):
        ZERO.measure(toy_case(map))


@pytest.mark.parametrize("steps", [(1.0, 5.0), (0.0,), (0.0, 20.0, 10.0), (0.0, 110.0), ()])
def test_steps_that_do_not_rise_from_0_are_refused(steps: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="steps of Deletion must be percentages"):
        Deletion(steps=steps)


def test_the_case_and_the_random_state_are_left_alone() -> None:
    case, state = toy_case(random_map(1)), torch.get_rng_state()
    before = [tensor.clone() for tensor in (case.map, case.volume, case.brain)]
    Deletion().measure(case)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(*pair) for pair in zip(before, (case.map, case.volume, case.brain), strict=True))


def test_a_smoothed_copy_is_measured_with_the_last_imputers_only() -> None:
    metric, map = Deletion(imputers=("zero", "blur", "road")), random_map(4)
    first, second = metric.measure(toy_case(map)), metric.measure(toy_case(map, copy_of="another"))
    assert all(math.isfinite(first[f"srg_{name}"]) for name in ("zero", "blur", "road"))  # type: ignore[arg-type]
    assert math.isnan(second["srg_zero"]) and second["srg_road"] == first["srg_road"]  # type: ignore[arg-type]
