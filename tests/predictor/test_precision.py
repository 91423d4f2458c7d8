"""bfloat16 gives the gradients of float32, to bfloat16's own rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interpbench.predictor import precision as precisions
from interpbench.predictor.precision import arithmetic


def weight_gradient(edges: tuple[int, int, int], stride: int, precision: str) -> torch.Tensor:
    torch.manual_seed(0)
    layer = nn.Conv3d(32, 32, 3, padding=1, stride=stride)
    volumes = torch.randn(4, 32, *edges)
    with arithmetic("cpu", precision):
        output = layer(volumes)
    output.float().square().sum().backward()
    gradient = layer.weight.grad
    assert gradient is not None
    return gradient


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("edges", [(1, 1, 1), (2, 2, 2), (3, 2, 4), (4, 4, 2), (2, 9, 9), (5, 6, 7)])
def test_weight_gradients_in_bfloat16_are_those_of_float32(edges: tuple[int, int, int], stride: int) -> None:
    exact, rough = (weight_gradient(edges, stride, precision) for precision in ("float32", "bfloat16"))
    assert float((rough - exact).norm() / exact.norm()) < 0.02


def test_large_volumes_do_run_in_bfloat16_and_small_ones_in_float32() -> None:
    layer = nn.Conv3d(1, 2, 3, padding=1)
    with arithmetic("cpu", "bfloat16"):
        assert layer(torch.zeros(1, 1, 6, 7, 8)).dtype == torch.bfloat16
        assert layer(torch.zeros(1, 1, 6, 2, 8)).dtype == torch.float32
    assert layer(torch.zeros(1, 1, 6, 7, 8)).dtype == torch.float32


@pytest.mark.parametrize(
    ("processor", "gpu", "expected"), [(True, False, "bfloat16"), (False, True, "bfloat16"), (False, False, "float32")]
)
def test_bfloat16_is_chosen_where_something_computes_in_it(monkeypatch, processor, gpu, expected):
    monkeypatch.setattr(precisions, "bfloat16_by_onednn", lambda: processor)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert precisions.fastest_precision() == expected
