"""A map adds up, or lacks what it lacks, in years."""

from __future__ import annotations

import pytest
import torch
from captum.attr import IntegratedGradients

from interpbench import NotApplicable
from interpbench.testing import cube_predictor, linear_predictor, toy_case, toy_volume
from interpbench_measures.completeness import Completeness

SHAPE = (6, 7, 8)


def gap(predictor, map: torch.Tensor, **fields) -> float:
    return Completeness().measure(toy_case(predictor, map, signed=True, **fields))["completeness_gap"]


def linear() -> tuple:
    weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    return linear_predictor(weights), weights


def test_weight_times_input_of_a_linear_model_adds_up_exactly() -> None:
    predictor, weights = linear()
    # float32 rounds predictions of about 60 years to 4e-6.
    assert gap(predictor, weights * toy_volume(SHAPE)[0]) == pytest.approx(0.0, abs=5e-5)


def test_another_reference_changes_what_must_be_added_up() -> None:
    predictor, weights = linear()
    reference = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(1))
    map = weights * (toy_volume(SHAPE) - reference)[0]
    assert gap(predictor, map, reference=reference) == pytest.approx(0.0, abs=5e-5)
    assert gap(predictor, map) == pytest.approx(abs(float((weights * reference[0]).sum())), abs=5e-5)


def test_what_the_map_lacks_is_the_gap_whichever_way() -> None:
    predictor, weights = linear()
    map = weights * toy_volume(SHAPE)[0]
    map[0, 0, 0] += 2.5  # outside the brain: the claim is about the whole map
    assert gap(predictor, map) == pytest.approx(2.5, abs=5e-5)
    map[0, 0, 0] -= 5.0
    assert gap(predictor, map) == pytest.approx(2.5, abs=5e-5)


def test_captums_integrated_gradients_close_the_gap_that_it_measures_itself() -> None:
    predictor, volume = cube_predictor(SHAPE, nonlinear=True), toy_volume(SHAPE)
    map, delta = IntegratedGradients(predictor.predict).attribute(
        volume[None], baselines=torch.full_like(volume, -0.3)[None], n_steps=7, return_convergence_delta=True
    )
    found = gap(predictor, map[0, 0].float(), reference=torch.full_like(volume, -0.3))
    assert found == pytest.approx(abs(float(delta)), abs=1e-4)
    assert found > 0.01


def test_a_method_that_claims_nothing_is_not_judged() -> None:
    predictor, weights = linear()
    with pytest.raises(NotApplicable, match="'toy' does not declare that its maps add up"):
        gap(predictor, weights, without=["reference"])
