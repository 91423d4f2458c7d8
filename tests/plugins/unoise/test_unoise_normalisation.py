"""Normalisation and activation in one are torch's two, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench_unoise.normalisation import normalised_activation

LAYOUTS = [torch.contiguous_format, torch.channels_last_3d]


def layer(groups: int, channels: int, dtype: torch.dtype) -> nn.GroupNorm:
    torch.manual_seed(0)
    norm = nn.GroupNorm(groups, channels).to(dtype)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    norm.weight.data[0] *= -1
    return norm


def plain(features: Tensor, norm: nn.GroupNorm, leak: float) -> Tensor:
    return F.leaky_relu(F.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps), leak)


def gradients(function, features: Tensor, norm: nn.GroupNorm) -> list[Tensor]:
    features = features.detach().requires_grad_(True)
    found = function(features, norm, 0.01)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(found.dtype)
    return [found.detach(), *torch.autograd.grad((found * weights).sum(), [features, norm.weight, norm.bias])]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels first", "channels last"])
@pytest.mark.parametrize(("groups", "channels"), [(8, 16), (1, 3), (5, 5), (2, 6)])
@pytest.mark.parametrize("shape", [(6, 7, 8), (1, 1, 2), (3, 1, 5)])
def test_what_comes_out_and_every_gradient_are_torch_s(groups, channels, shape, layout) -> None:
    norm = layer(groups, channels, torch.float32)
    features = (3 + 2 * torch.randn(2, channels, *shape)).contiguous(memory_format=layout)
    for first, second in zip(
        gradients(plain, features, norm), gradients(normalised_activation, features, norm), strict=True
    ):
        torch.testing.assert_close(second, first, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 1e-6, 1e-3, 0.02, -0.02])
def test_a_gamma_near_0_hides_no_gradient(gamma: float) -> None:
    norm = layer(2, 4, torch.float32)
    norm.weight.data[1] = gamma
    features = torch.randn(2, 4, 6, 7, 8).contiguous(memory_format=torch.channels_last_3d)
    for first, second in zip(
        gradients(plain, features, norm), gradients(normalised_activation, features, norm), strict=True
    ):
        torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("gamma", "kept"), [(1.0, 1), (0.0, 2)])
def test_nothing_but_the_output_is_kept_where_it_can_be_undone(gamma: float, kept: int) -> None:
    norm = layer(2, 4, torch.float32)
    norm.weight.data[1] = gamma
    large: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        if tensor.numel() > 100:
            large.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        normalised_activation(torch.randn(2, 4, 6, 7, 8, requires_grad=True), norm, 0.01)
    assert len(large) == kept


def test_from_bfloat16_it_gives_bfloat16_with_statistics_and_gradients_of_weights_in_float32() -> None:
    norm = layer(4, 8, torch.float32)
    features = torch.randn(2, 8, 12, 14, 10).contiguous(memory_format=torch.channels_last_3d)
    exact = gradients(plain, features.bfloat16().float(), norm)
    with torch.autocast("cpu", torch.bfloat16):
        rough = gradients(normalised_activation, features.bfloat16(), norm)
    assert [one.dtype for one in rough] == [torch.bfloat16, torch.bfloat16, torch.float32, torch.float32]
    for first, second in zip(exact, rough, strict=True):
        assert float((first - second.float()).norm() / first.norm()) < 0.01


def test_inside_autocast_float32_stays_float32() -> None:
    norm, features = layer(2, 4, torch.float32), torch.randn(1, 4, 6, 7, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = gradients(normalised_activation, features, norm)
    for first, second in zip(gradients(normalised_activation, features, norm), inside, strict=True):
        torch.testing.assert_close(second, first, rtol=0, atol=0)
