"""Batch norm by the statistics of the training: alone, inside a convolution, and with gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from interpbench.kit import BatchNorm, Convolution
from interpbench.predictor.graph.convolution import CHANNELS_LAST


def norm(channels: int, **given: bool) -> nn.BatchNorm3d:
    """As after a training."""
    made = nn.BatchNorm3d(channels, **given)
    values = torch.Generator().manual_seed(channels)
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=values) + (0.5 if name == "running_var" else -0.5)
    return made.eval()


def ours(layer: nn.BatchNorm3d, *, rectified: bool = False) -> BatchNorm:
    assert layer.running_mean is not None and layer.running_var is not None
    return BatchNorm(
        weight=layer.weight if layer.affine else None,
        bias=layer.bias if layer.affine else None,
        mean=layer.running_mean,
        variance=layer.running_var,
        eps=layer.eps,
        rectified=rectified,
    )


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("layout", [CHANNELS_LAST, torch.contiguous_format], ids=["channels last", "contiguous"])
def test_it_is_as_exact_as_torchs_and_keeps_the_layout(
    affine: bool, rectified: bool, layout: torch.memory_format
) -> None:
    layer, features = norm(6, affine=affine), torch.randn(2, 6, 7, 8, 9).contiguous(memory_format=layout)
    made = ours(layer, rectified=rectified)
    with torch.no_grad():
        theirs, exact = layer(features), layer.double()(features.double())
        if rectified:
            theirs, exact = theirs.relu(), exact.relu()
    found = made(features)
    assert found.is_contiguous(memory_format=layout)
    assert float((found - exact).abs().max()) < max(2 * float((theirs - exact).abs().max()), 1e-6)
    assert made(features.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("bias", [True, False])
def test_inside_a_convolution_it_is_as_exact_as_both(bias: bool) -> None:
    torch.manual_seed(0)
    layer, after = nn.Conv3d(3, 5, 3, stride=2, padding=1, bias=bias), norm(5)
    features = torch.randn(2, 3, 6, 7, 8)
    convolution = Convolution(layer.weight, layer.bias, (2, 2, 2), (1, 1, 1), (1, 1, 1), 1)
    with torch.no_grad():
        found = ours(after).after(convolution)(features)
        exact = after.double()(layer.double()(features.double()))
    assert float((found - exact).abs().max()) < 2e-6 * float(exact.abs().max())


@pytest.mark.parametrize("layout", [CHANNELS_LAST, torch.contiguous_format], ids=["channels last", "contiguous"])
def test_gradients_go_through_it(layout: torch.memory_format) -> None:
    layer, features = norm(4), torch.randn(2, 4, 5, 6, 7).contiguous(memory_format=layout)

    def gradient(function: nn.Module) -> Tensor:
        given = features.clone().requires_grad_(True)
        return torch.autograd.grad(function(given).square().sum(), given)[0]

    torch.testing.assert_close(gradient(ours(layer, rectified=True)), gradient(nn.Sequential(layer, nn.ReLU())))


def test_where_there_are_no_voxels_it_is_torchs() -> None:
    made = BatchNorm(weight=None, bias=None, mean=torch.ones(4), variance=torch.full((4,), 4.0), eps=0.0)
    assert made(torch.ones(2, 4)).tolist() == torch.zeros(2, 4).tolist()
