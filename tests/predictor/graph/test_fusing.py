"""A graph with fewer layers, and one that writes in place, say what the network says, with the same gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from interpbench import Recipe
from interpbench.kit import Convolution, in_place, read_network
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule

SHAPE = (6, 7, 8)
VOLUMES = toy_brains(3, SHAPE)
aten = torch.ops.aten


class Net(nn.Module):
    """Two convolutions and two batch norms, used in some way."""

    def __init__(self, use: Callable[[Net, Tensor], Tensor]) -> None:
        super().__init__()
        self.use = use
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 4, 3, padding=1)
            self.norm, self.other = nn.BatchNorm3d(4), nn.BatchNorm3d(4)
            for norm in (self.norm, self.other):
                nn.init.uniform_(norm.running_mean, -0.5, 0.5)
                nn.init.uniform_(norm.running_var, 0.5, 1.5)

    def forward(self, volumes: Tensor) -> Tensor:
        return self.use(self, volumes).square().mean((2, 3, 4)).sum(1)


def residual(net: Net, volumes: Tensor) -> Tensor:
    features = net.norm(net.first(volumes)).relu()
    return (net.other(net.second(features)) + features).relu()


def sum_in_place(net: Net, volumes: Tensor) -> Tensor:
    features = net.norm(net.first(volumes)).relu_()
    found = net.other(net.second(features))
    found += features
    return found.relu_()


def read_before_and_after(net: Net, volumes: Tensor) -> Tensor:
    features = net.first(volumes)
    return (net.second(features) + features).relu() * features


def smaller_summand(net: Net, volumes: Tensor) -> Tensor:
    """The sum has more voxels than the convolution that is added."""
    return (net.second(net.first(volumes)).mean(2, keepdim=True) + net.first(volumes)[:, :, :1]).relu()


def rectified_summand(net: Net, volumes: Tensor) -> Tensor:
    features = net.norm(net.first(volumes)).relu()
    return (features.tanh() + net.second(features).relu()).relu()


def dropped_out(net: Net, volumes: Tensor) -> Tensor:
    features = nn.functional.dropout3d(net.first(volumes), 0.5, training=False)
    return net.norm(features).mul_(2.0) + features


USES = {  # and how many sums and ReLUs work in place
    "residual": (residual, 2),
    "a sum in place": (sum_in_place, 2),
    "read before and after": (read_before_and_after, 2),
    "a summand with fewer voxels": (smaller_summand, 1),
    "a rectified summand": (rectified_summand, 1),
    "dropout that is off": (dropped_out, 0),
}


def targets(network: fx.GraphModule) -> list[object]:
    return [node.target for node in network.graph.nodes]


@pytest.mark.parametrize("name", USES)
def test_every_graph_says_what_the_network_says_with_its_gradients(name: str) -> None:
    use, number = USES[name]
    predictor = TorchModule().loaded(Net(use), Recipe(shape=SHAPE, voxel_size=4.0))
    graph = read_network(predictor, VOLUMES)
    quick = in_place(graph.fused)
    found = targets(quick)
    assert found.count(aten.add_.Tensor) + found.count(aten.relu_.default) == number
    for network in (graph.network, graph.fused, quick):
        for subjects in (1, 3):
            expected, by_expected = answers(predictor.predict, VOLUMES[:subjects])
            said, by_said = answers(network, VOLUMES[:subjects])
            torch.testing.assert_close(said, expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(by_said, by_expected, rtol=1e-4, atol=1e-6)
            with torch.no_grad():
                torch.testing.assert_close(network(VOLUMES[:subjects]), expected, rtol=1e-5, atol=1e-6)


def answers(function: Callable[[Tensor], Tensor], volumes: Tensor) -> tuple[Tensor, Tensor]:
    given = volumes.clone().requires_grad_(True)
    with torch.enable_grad():
        said = function(given)
    return said.detach(), torch.autograd.grad(said.sum(), given)[0]


def test_a_graph_that_others_have_is_never_changed() -> None:
    predictor = TorchModule().loaded(Net(residual), Recipe(shape=SHAPE, voxel_size=4.0))
    graph = read_network(predictor, VOLUMES)
    first, second = targets(graph.network), targets(graph.fused)
    in_place(graph.fused)
    assert targets(graph.network) == first
    assert targets(graph.fused) == second
    assert len(second) < len(first)


def test_norms_and_relus_are_inside_convolutions() -> None:
    predictor = TorchModule().loaded(Net(residual), Recipe(shape=SHAPE, voxel_size=4.0))
    network = read_network(predictor, VOLUMES).fused
    layers = list(network.children())
    assert [layer.rectified for layer in layers if isinstance(layer, Convolution)] == [True, False]
    assert len(layers) == 2


def test_no_weight_of_a_graph_asks_for_a_gradient_or_is_another_object_s_to_change() -> None:
    module = Net(residual)
    predictor = TorchModule().loaded(module, Recipe(shape=SHAPE, voxel_size=4.0))
    before = {name: values.clone() for name, values in module.state_dict().items()}
    network = in_place(read_network(predictor, VOLUMES).fused)
    network(VOLUMES)
    assert not any(values.requires_grad for values in (*network.parameters(), *network.buffers()))
    for name, values in module.state_dict().items():
        assert torch.equal(values, before[name])
