"""Places evaluated in bfloat16 are near those in float32, and the error is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interpbench.testing import toy_brains

SHAPE = (12, 14, 10)
VOLUMES = toy_brains(3, SHAPE)


@pytest.mark.parametrize("worth", [0, 1e18], ids=["engine", "plain passes"])
def test_bfloat16_is_near_and_its_error_is_told(
    worth: float,
    plain_map: Tensor,
    through_the_engine: list[int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    predictor_of: Any,
    fresh: Any,
) -> None:
    monkeypatch.setattr("interpbench_occlusion.evaluation.WORTH_TRACING", worth)
    with caplog.at_level(logging.INFO, "interpbench"):
        effect = fresh(precision="bfloat16").explain_with_extras(predictor_of(), VOLUMES)[1]["effect"]
    assert bool(through_the_engine) == (worth == 0)
    error = float((effect - plain_map).abs().max())
    assert 0 < error < 0.1 * float(plain_map.abs().max())
    told = [message for message in caplog.messages if message.startswith("bfloat16: ")]
    assert len(told) == len(VOLUMES)
    assert all("effects differ from those of float32 by up to" in message and "years" in message for message in told)


def averaged(features: Tensor) -> Tensor:
    return nn.functional.avg_pool3d(features, 3, stride=1, padding=1)


@pytest.mark.parametrize("between", [averaged, nn.PReLU(4)], ids=["averages", "PReLU"])
def test_an_operation_that_bfloat16_lacks_does_no_harm(
    between: Callable[[Tensor], Tensor], through_the_engine: list[int], predictor_of: Any, fresh: Any
) -> None:
    predictor = predictor_of(between)
    half, full = (fresh(precision=one).explain(predictor, VOLUMES[:1]) for one in ("bfloat16", "float32"))
    assert float((half - full).abs().max()) < 0.1 * float(full.max())
    assert through_the_engine


def test_the_error_of_bfloat16_is_told_where_nothing_has_an_effect(
    caplog: pytest.LogCaptureFixture, predictor_of: Any, fresh: Any
) -> None:
    predictor = predictor_of(torch.zeros_like)
    with caplog.at_level(logging.INFO, "interpbench"):
        assert fresh(precision="bfloat16").explain(predictor, VOLUMES[:1]).max() < 1e-6
    assert "effects differ from those of float32 by up to" in caplog.text
