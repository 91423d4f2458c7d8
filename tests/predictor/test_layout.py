"""The layout in which networks are settled: the quick one, but where convolutions are wrong in it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interpbench.predictor.layout import settle, sound_in_channels_last

CPU = torch.device("cpu")
CHANNELS_LAST = torch.channels_last_3d


def stack(*layers: nn.Module) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in layers:
            layer.reset_parameters()  # type: ignore[operator]
    return nn.Sequential(*layers).eval()


def conv(before: int, after: int, kernel: object = 3, **given: object) -> nn.Conv3d:
    return nn.Conv3d(before, after, kernel, **given)  # type: ignore[arg-type]


UNSOUND = {
    "one channel, a stride along K": lambda: stack(conv(2, 1, padding=1), conv(1, 8, (3, 5, 5), stride=(1, 1, 2))),
    "and along I": lambda: stack(conv(2, 1, padding=1), conv(1, 4, 5, stride=(2, 1, 3))),
    "a kernel of 1 with holes": lambda: stack(
        conv(2, 16, (3, 1, 5), padding=(1, 0, 0)),
        conv(16, 8, (3, 7, 1), stride=(2, 3, 3), dilation=(1, 1, 3), padding=(1, 1, 1), groups=4),
    ),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_a_network_that_channels_last_gets_wrong_stays_as_it_is_and_is_right(kind: str) -> None:
    network = UNSOUND[kind]()
    volumes = torch.randn((3, 2, 7, 8, 6), generator=torch.Generator().manual_seed(1))
    expected = network.double()(volumes.double())
    network.float()
    assert not all(sound_in_channels_last(layer) for layer in network)
    settle(network, CPU)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # what is not written is NaN
    try:
        found = network(volumes)
    finally:
        torch.use_deterministic_algorithms(before)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-4)
    assert not any(
        layer.weight.is_contiguous(memory_format=CHANNELS_LAST) for layer in network if layer.in_channels > 1
    )


@pytest.mark.parametrize(
    "layer",
    [
        conv(1, 8, 7, stride=2, padding=3),  # of a ResNet
        conv(1, 8, stride=(1, 2, 2)),
        conv(1, 8, dilation=2),
        conv(8, 8, 1, stride=(1, 1, 2)),
        conv(8, 8, (3, 3, 1), dilation=(2, 2, 1)),
    ],
)
def test_any_other_network_is_settled_in_the_quick_layout(layer: nn.Conv3d) -> None:
    assert sound_in_channels_last(layer)
    first, _ = settle(stack(conv(2, 4), layer), CPU)  # type: ignore[misc]
    assert first.weight.is_contiguous(memory_format=CHANNELS_LAST)
