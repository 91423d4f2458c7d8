"""The U-Net takes any size and has the paper's blocks."""

from __future__ import annotations

import pytest
import torch

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
