"""A graph for forward passes alone: bare calls of oneDNN that say what the network says, but where oneDNN errs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.networks.nets import DenseNet
from torch import Tensor, fx, nn

from interpbench import Recipe
from interpbench.kit import Convolution, layer_of, read_network
from interpbench.predictor.graph.onednn import for_forward_passes
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule

SHAPE = (12, 14, 10)
VOLUMES = toy_brains(3, SHAPE)
CONVOLUTION = torch.ops.mkldnn._convolution_pointwise.default


def chain(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.LazyLinear(1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "DenseNet": lambda: DenseNet(3, 1, 1, init_features=4, growth_rate=2, block_config=(2, 2), bn_size=2),
    "pooled": lambda: chain(nn.Conv3d(1, 4, 3), nn.AvgPool3d(2), nn.Conv3d(4, 4, 3, padding=1), nn.MaxPool3d(2)),
    "a norm that many read": lambda: chain(nn.Conv3d(1, 4, 3), nn.ELU(), nn.BatchNorm3d(4), nn.ReLU(), nn.Tanh()),
    "grouped, dilated, strided": lambda: chain(
        nn.Conv3d(1, 4, 3, stride=(2, 1, 2)), nn.Conv3d(4, 8, 3, padding=2, dilation=2, groups=4)
    ),
}


def network_of(make: Callable[[], nn.Module]) -> tuple[Callable[[Tensor], Tensor], fx.GraphModule]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
        module(VOLUMES)  # batch norms have statistics from here on
    predictor = TorchModule().loaded(module, Recipe(shape=SHAPE, voxel_size=4.0))
    return predictor.predict, for_forward_passes(read_network(predictor, VOLUMES).fused)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_bare_calls_say_what_the_network_says(make: Callable[[], nn.Module]) -> None:
    predict, quick = network_of(make)
    assert CONVOLUTION in [node.target for node in quick.graph.nodes]
    assert not [node for node in quick.graph.nodes if node.op == "call_module"]
    with torch.no_grad():
        for subjects in (1, 3):
            expected = predict(VOLUMES[:subjects])
            torch.testing.assert_close(quick(VOLUMES[:subjects]), expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(quick(VOLUMES[:subjects].mT.mT), expected, rtol=1e-5, atol=1e-6)


def test_where_onednn_errs_the_module_stays_and_goes_around() -> None:
    """One place along K comes out of one channel with a stride; see `Convolution`."""
    predict, quick = network_of(lambda: chain(nn.Conv3d(1, 8, (3, 3, 9), stride=(1, 1, 2)), nn.ReLU()))
    left = [layer_of(quick, node) for node in quick.graph.nodes if node.op == "call_module"]
    assert [type(layer) for layer in left] == [Convolution]
    with torch.no_grad():
        torch.testing.assert_close(quick(VOLUMES), predict(VOLUMES), rtol=1e-5, atol=1e-6)


def test_in_float64_torch_convolves() -> None:
    with torch.random.fork_rng(devices=[]):
        module = nn.Sequential(nn.Conv3d(1, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 1)).double()
    predictor = TorchModule().loaded(module, Recipe(shape=SHAPE, voxel_size=4.0))
    quick = for_forward_passes(read_network(predictor, VOLUMES.double()).fused)
    with torch.no_grad():
        torch.testing.assert_close(quick(VOLUMES.double()), predictor.predict(VOLUMES.double()))
