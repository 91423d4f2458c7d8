"""The U-Net takes any size and has the paper's blocks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from interpbench_unoise import unet
from interpbench_unoise.unet import UNet


@pytest.mark.parametrize("shape", [(6, 7, 8), (35, 44, 35), (1, 2, 3), (33, 17, 18)])
def test_the_output_has_the_input_s_shape(shape: tuple[int, int, int]) -> None:
    with torch.no_grad():
        assert UNet(2, 5)(torch.randn(2, 1, *shape)).shape == (2, 1, *shape)


def test_it_has_5_down_and_5_upsampling_blocks_and_16_channels_after_the_first() -> None:
    network = UNet()
    assert len(network.down) == 5 and len(network.up) == 5 and len(network.grow) == 5
    features = network.first(torch.randn(1, 1, 6, 7, 8))
    assert features.shape == (1, 16, 6, 7, 8)
    for down in network.down:
        edges, features = features.shape[2:], down(features)
        assert features.shape[2:] == tuple(-(-edge // 2) for edge in edges)
    assert features.shape[1] == 16 * 2**5


def test_a_subject_s_output_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    network, volumes = UNet(4, 3).eval(), torch.randn(3, 1, 12, 14, 10)
    with torch.no_grad():
        torch.testing.assert_close(network(volumes)[1:2], network(volumes[1:2]), rtol=1e-4, atol=1e-5)


def test_the_last_layer_starts_anew_where_it_is_told() -> None:
    network = UNet(4, 2)
    network.last.weight.data.fill_(100.0)
    network.restart_last(-2.0)
    output = network(torch.randn(1, 1, 6, 7, 8))
    assert float(output.detach().mean()) == pytest.approx(-2.0, abs=0.3)


def plain(network: UNet, volumes: torch.Tensor) -> torch.Tensor:
    """The same network without any of its detours."""

    def block(part: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
        for layer, norm in ((part.conv1, part.norm1), (part.conv2, part.norm2)):
            features = F.group_norm(layer(features), norm.num_groups, norm.weight, norm.bias, norm.eps)
            features = F.leaky_relu(features, 0.01)
        return features

    skips = [block(network.first, volumes)]
    for down in network.down:
        skips.append(block(down, skips[-1]))
    features = skips.pop()
    for grow, up in zip(reversed(network.grow), reversed(network.up), strict=True):
        skip = skips.pop()
        i, j, k = skip.shape[2:]
        features = block(up, torch.cat([grow(features)[:, :, :i, :j, :k], skip], dim=1))
    return network.last(features)


def output_and_gradients(function, network: UNet) -> list[torch.Tensor]:
    torch.manual_seed(1)
    volumes = torch.randn(3, 1, 9, 14, 11)
    found = function(volumes)
    return [found.detach(), *torch.autograd.grad((found * torch.randn_like(found)).sum(), list(network.parameters()))]


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(4, 3)


@pytest.mark.parametrize("kept", [1, 2 * 4 * 4 * 9 * 14 * 11, 2**25])
def test_output_and_gradients_are_those_of_the_plain_network(
    network: UNet, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(unet, "KEPT_BYTES", kept)  # one by one, two at a time, all together
    expected = output_and_gradients(lambda volumes: plain(network, volumes), network)
    for first, second in zip(expected, output_and_gradients(network, network), strict=True):
        torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4 * float(first.abs().max()))


def test_its_weights_have_the_names_of_monai_s_blocks(network: UNet) -> None:
    names = set(network.state_dict())
    assert {"first.conv1.conv.weight", "down.2.norm2.bias", "grow.0.conv.bias", "up.1.conv2.conv.weight"} < names
    assert {"last.weight", "last.bias"} < names and len(names) == 6 + 3 * 6 + 3 * 2 + 3 * 6 + 2
