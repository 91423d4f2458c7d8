"""Networks frozen for forward passes or for training say what they were frozen from, outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench import Predictor
from interpbench.kit import forward_only
from interpbench_unoise.frozen import frozen_copy

ALLOWED = 1e-5  # of the range of predictions, and of the largest gradient
EPS = torch.finfo(torch.float32).eps

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def answers(predictor: Predictor, volumes: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions `(B,)` and their gradients by the volumes."""
    given = volumes.clone().requires_grad_(True)
    with torch.enable_grad():
        predictions = predictor.predict(given)
    return predictions.detach(), torch.autograd.grad(predictions.sum(), given)[0]


def size(values: Tensor) -> float:
    return float(values.abs().max())


def wrong(case_of: Callable[[int], Any], seeds: range) -> list[str]:
    """Which frozen networks differ from the same network in float64, by more than the plain one in float32."""
    found = []
    for seed in seeds:
        case = case_of(seed)
        hidden = case.volumes.clone()
        hidden[..., 1:4, :3, 2:5] = 0
        volumes = torch.cat([case.volumes[1:], hidden, 2 * case.volumes])
        truth, slope = answers(case.exact, volumes.double())
        plain, plain_slope = answers(case.predictor, volumes)
        extent, rounded = float(truth.max() - truth.min()), 4 * EPS * size(truth)
        may = max(ALLOWED * extent, 8 * size(plain - truth) + rounded)
        quick = forward_only(case.predictor, case.volumes[:1])
        faster, faster_slope = answers(frozen_copy(case.predictor, case.volumes[:1]), volumes)
        said = torch.cat([quick(volumes), quick(volumes[:1])]) - torch.cat([truth, truth[:1]])
        errors = {"forward_only": (size(said), may), "frozen_copy": (size(faster - truth), may)}
        may = max(ALLOWED * size(slope), 8 * size(plain_slope - slope))
        errors["its gradient"] = size(faster_slope - slope), may
        found += [f"{seed}, {name}: {is_} above {may}" for name, (is_, may) in errors.items() if not is_ <= may]
    return found


@pytest.mark.slow
def test_a_few_frozen_networks_say_what_they_were_frozen_from(case_of: Callable[[int], Any]) -> None:
    assert wrong(case_of, range(8)) == []


@pytest.mark.slow
def test_frozen_networks_say_what_they_were_frozen_from(case_of: Callable[[int], Any]) -> None:
    assert wrong(case_of, range(2000, 2060)) == []
