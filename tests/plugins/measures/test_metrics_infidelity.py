"""Normalised infidelity: its closed form, its zero on linear predictors, and Captum's beside it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from scipy.optimize import minimize_scalar

from interpbench import Case, NotApplicable, UsageError
from interpbench.testing import constant_predictor, cube_predictor, linear_predictor, toy_brain, toy_brains
from interpbench_measures.infidelity import (
    Infidelity,
    normalised_infidelity,
    random_boxes,
    sums_over_boxes,
)

SHAPE = (6, 7, 8)
BRAIN = toy_brain(SHAPE)
WEIGHTS = 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * BRAIN
VOLUME = toy_brains(1, SHAPE)[0]
BOXES = Infidelity(edges=(4.0, 8.0, 16.0))


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
        "signed": True,
        "learned": False,
        "prediction": prediction,
        "target": math.nan,
        "seed": 5,
        "voxel_size": 4.0,
    }
    return Case(**(values | changes))


def random_map(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(100 + seed))  # never the numbers of WEIGHTS


def two_lists(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(40, generator=generator, dtype=torch.float64)
    return u, 0.6 * u + torch.randn(40, generator=generator, dtype=torch.float64)


def test_it_is_the_infidelity_at_the_best_scale_as_a_part_of_the_effect() -> None:
    u, d = two_lists()
    best = minimize_scalar(lambda c: float((c * u - d).square().mean()))
    assert normalised_infidelity(u, d) == pytest.approx(best.fun / float(d.square().mean()))


def test_neither_scale_nor_sign_of_a_map_matters() -> None:
    u, d = two_lists()
    assert normalised_infidelity(-1000 * u, d) == pytest.approx(normalised_infidelity(u, d))


def test_foretelling_nothing_is_1_and_no_effect_at_all_is_nan() -> None:
    u, d = two_lists()
    assert normalised_infidelity(0 * u, d) == 1.0
    assert math.isnan(normalised_infidelity(u, 0 * d))
    assert normalised_infidelity(3 * d, d) == pytest.approx(0, abs=1e-12)


def test_captum_finds_the_same_in_two_dimensions() -> None:
    """Captum's measure is E[(u - D)^2]; at the best scale of the map, over E[D^2], it is ours."""
    image = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(1))
    filters = torch.randn(9, 11, generator=torch.Generator().manual_seed(2))

    def network(images: torch.Tensor) -> torch.Tensor:
        return (images[:, 0] * filters).tanh().sum(dim=(1, 2))

    map = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(3)) + filters
    generator = torch.Generator().manual_seed(4)
    boxes = torch.zeros(50, 1, 9, 11)
    for box in boxes:
        i, j = (int(torch.randint(0, edge - 3, (), generator=generator)) for edge in (9, 11))
        box[0, i : i + 4, j : j + 4] = 1
    u = (image * boxes * map).sum(dim=(1, 2, 3)).double()
    d = (network(image) - network(image - image * boxes)).double()
    scale = float((u * d).sum() / u.square().sum())

    def perturb(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image * boxes, inputs - image * boxes

    theirs = captum_infidelity(network, perturb, image, scale * map, n_perturb_samples=50)
    assert normalised_infidelity(u, d) == pytest.approx(float(theirs) / float(d.square().mean()), rel=1e-4)


@pytest.mark.parametrize("metric", [BOXES, Infidelity(perturbation="noise")], ids=["boxes", "noise"])
def test_the_gradient_of_a_linear_predictor_foretells_everything(metric: Infidelity) -> None:
    assert metric.measure(toy_case(WEIGHTS))["ninfd"] == pytest.approx(0, abs=1e-6)
    assert metric.measure(toy_case(-7 * WEIGHTS))["ninfd"] == pytest.approx(0, abs=1e-6)


def test_the_contributions_to_a_linear_predictor_foretell_everything() -> None:
    assert BOXES.measure(toy_case(WEIGHTS * VOLUME[0]))["ninfd"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("metric", [BOXES, Infidelity(perturbation="noise")], ids=["boxes", "noise"])
def test_any_other_map_foretells_less(metric: Infidelity) -> None:
    shared: dict[str, Any] = {}
    others = [metric.measure(toy_case(random_map(seed), shared=shared))["ninfd"] for seed in range(10)]
    assert all(0.2 < other <= 1 for other in others)  # type: ignore[operator]


def test_a_map_that_mixes_truth_and_noise_lies_between() -> None:
    found = [BOXES.measure(toy_case(WEIGHTS + share * random_map(3)))["ninfd"] for share in (0.0, 0.1, 0.3, 1.0)]
    assert found == sorted(found)  # type: ignore[type-var]


def test_a_map_without_signs_has_a_correlation_and_no_infidelity() -> None:
    figures = BOXES.measure(toy_case(WEIGHTS.abs(), signed=False))
    assert math.isnan(figures["ninfd"])  # type: ignore[arg-type]
    assert math.isfinite(figures["infidelity_corr"])  # type: ignore[arg-type]
    with pytest.raises(NotApplicable, match="without signs"):
        Infidelity(perturbation="noise").measure(toy_case(WEIGHTS.abs(), signed=False))


def test_the_correlation_is_1_where_effects_add_up_and_around_0_for_random_maps() -> None:
    weights = WEIGHTS.abs() * torch.where(VOLUME[0] < 0, -1.0, 1.0)  # every voxel adds years
    same: dict[str, Any] = {"predictor": linear_predictor(weights), "shared": {}}
    assert BOXES.measure(toy_case(weights * VOLUME[0], **same))["infidelity_corr"] == pytest.approx(1, abs=1e-3)
    found = [BOXES.measure(toy_case(random_map(seed), **same))["infidelity_corr"] for seed in range(40)]
    random = torch.tensor(found)
    assert abs(float(random.mean())) < 3 * float(random.std()) / math.sqrt(40)


def test_what_does_not_move_the_prediction_has_no_figures_and_a_map_of_the_wrong_place_foretells_nothing() -> None:
    still = BOXES.measure(toy_case(random_map(0), predictor=constant_predictor(SHAPE)))
    assert all(math.isnan(value) for value in still.values())  # type: ignore[arg-type]
    predictor = cube_predictor(SHAPE)
    assert predictor.truth is not None
    single = Infidelity(edges=(4.0,), draws=400)  # boxes of one voxel
    assert single.measure(toy_case(BRAIN * (1 - predictor.truth), predictor=predictor))["ninfd"] == pytest.approx(1)


def test_perturbations_are_shared_by_the_methods_of_a_subject() -> None:
    calls: list[int] = []
    predictor = linear_predictor(WEIGHTS)

    def forward(volumes: torch.Tensor) -> torch.Tensor:
        calls.append(len(volumes))
        return predictor.predict(volumes)

    for metric in (BOXES, Infidelity(perturbation="noise")):
        shared: dict[str, Any] = {}
        calls.clear()
        first = metric.measure(toy_case(random_map(0), shared=shared, forward=forward))
        assert sum(calls) == (3 * 64 if metric is BOXES else 64)
        metric.measure(toy_case(random_map(1), shared=shared, forward=forward))
        assert sum(calls) == (3 * 64 if metric is BOXES else 64)
        assert metric.measure(toy_case(random_map(0))) == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize("metric", [BOXES, Infidelity(perturbation="noise")], ids=["boxes", "noise"])
def test_figures_do_not_depend_on_the_batch_size(metric: Infidelity) -> None:
    one, many = (metric.measure(toy_case(random_map(1), batch_size=size)) for size in (1, 7))
    assert set(one) == {measure.name for measure in metric.measures}
    assert many == pytest.approx(one, abs=1e-4)


def test_sums_over_boxes_are_sums_over_boxes() -> None:
    values = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    low, high = random_boxes(BRAIN, 3, 50, torch.Generator().manual_seed(1))
    totals = sums_over_boxes(values, low, high).tolist()
    for total, (i, j, k), (a, b, c) in zip(totals, low.tolist(), high.tolist(), strict=True):
        assert total == pytest.approx(float(values[i:a, j:b, k:c].sum()), abs=1e-5)


def test_boxes_hold_brain_and_are_cut_at_the_border() -> None:
    low, high = random_boxes(BRAIN, 5, 300, torch.Generator().manual_seed(1))
    assert int(low.min()) == 0 and bool((high <= torch.tensor(SHAPE)).all())
    assert bool((high - low >= 3).all()) and bool((high - low <= 5).all())
    assert bool((sums_over_boxes(BRAIN, low, high) >= 1).all())


def test_a_map_that_is_flat_in_the_brain_has_no_figures() -> None:
    with pytest.raises(NotApplicable, match="the same everywhere"):
        BOXES.measure(toy_case((~BRAIN).float()))


@pytest.mark.parametrize("options", [{"edges": ()}, {"edges": (0.0,)}, {"perturbation": "fog"}, {"draws": 1}])
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="of Infidelity must be"):
        Infidelity(**options)
