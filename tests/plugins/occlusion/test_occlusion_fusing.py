"""Fewer steps that say the same: what is brought together, and what has to stay apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from interpbench import Recipe
from interpbench.kit import read_network
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.reading import program_of
from interpbench_occlusion.replacement import with_place_hidden
from interpbench_occlusion.route import Route
from interpbench_occlusion.steps import Program

SHAPE = (10, 9, 8)
VOLUMES = toy_brains(2, SHAPE)
PLACES = [(slice(2, 5), slice(3, 6), slice(1, 4)), (slice(7, 10), slice(0, 3), slice(5, 8))]


def norm(channels: int, **given: bool) -> nn.BatchNorm3d:
    """As after a training."""
    made = nn.BatchNorm3d(channels, **given)
    values = torch.Generator().manual_seed(channels)
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=values) + (0.5 if name == "running_var" else -0.5)
    return made


class Net(nn.Module):
    def __init__(self, run: Callable[[Net, Tensor], Tensor], *, bias: bool = True, affine: bool = True) -> None:
        super().__init__()
        self._run = run
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv3d(1, 4, 3, padding=1, bias=bias)
            self.second = nn.Conv3d(4, 4, 3, padding=1, bias=bias)
        self.norm, self.other = norm(4, affine=affine), norm(4, affine=affine)

    def forward(self, volumes: Tensor) -> Tensor:
        return self._run(self, volumes).mean((2, 3, 4)).square().sum(1)


def plain(net: Net, volumes: Tensor) -> Tensor:
    return net.other(net.second(net.norm(net.first(volumes)).relu())).relu()


def norm_first(net: Net, volumes: Tensor) -> Tensor:
    """As in a DenseNet."""
    features = net.first(volumes).abs()
    return net.second(net.norm(features).relu()) + features


def dense(net: Net, volumes: Tensor) -> Tensor:
    """A layer of a DenseNet."""
    features = net.first(volumes).tanh()
    return torch.cat([features, net.second(net.norm(features).relu())], 1)


def residual(net: Net, volumes: Tensor) -> Tensor:
    features = net.norm(net.first(volumes)).relu_()
    return (net.other(net.second(features)) + features).relu()


def read_twice(net: Net, volumes: Tensor) -> Tensor:
    features = net.first(volumes)
    return net.norm(features).relu() - features.relu()


def rectified_first(net: Net, volumes: Tensor) -> Tensor:
    return net.norm(net.first(volumes).relu())


NETWORKS = {  # what is done, and how many of its steps before the mean are left
    "convolution, norm, rectifier": (plain, 2),
    "norm, rectifier, convolution": (norm_first, 5),
    "a dense layer": (dense, 5),
    "with a shortcut": (residual, 4),
    "what two read": (read_twice, 4),
    "a rectifier before the norm": (rectified_first, 2),
}


def shorter_program(network: nn.Module) -> tuple[Program, Callable[[Tensor], Tensor]]:
    predictor = TorchModule().loaded(network, Recipe(shape=SHAPE, voxel_size=4.0))
    return program_of(read_network(predictor, VOLUMES[:1]).fused), torch.no_grad()(predictor.predict)


@pytest.mark.parametrize(("bias", "affine"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("name", NETWORKS)
def test_fewer_steps_say_the_same(name: str, bias: bool, affine: bool) -> None:
    run, left = NETWORKS[name]
    shorter, predict = shorter_program(Net(run, bias=bias, affine=affine))
    local = [step.local for step in shorter.steps].index(False)
    assert local == left
    hidden = torch.stack([with_place_hidden(VOLUMES[0, 0], place, lambda _: 0.5) for place in PLACES])
    for neck in (0, local):
        engine = Engine(program=shorter, batch_size=1, memory=2.0**30)
        clean, found = engine.predictions(Route(shorter, neck), VOLUMES[0], PLACES, lambda _: 0.5)
        assert clean == pytest.approx(float(predict(VOLUMES[:1])), rel=1e-5)
        torch.testing.assert_close(found, predict(hidden[:, None]).double(), rtol=1e-5, atol=0)


@pytest.mark.slow
def test_each_value_is_made_once_and_before_it_is_read() -> None:
    for run, _ in NETWORKS.values():
        shorter, there = shorter_program(Net(run))[0], set[str]()
        there.add(shorter.volume)
        for step in shorter.steps:
            assert there.issuperset(step.inputs)
            assert step.result not in there
            there.add(step.result)
        assert shorter.output in there
