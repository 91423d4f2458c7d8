"""A graph in normal form says what the traced function says, and writes nowhere; layers are found by what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from interpbench.predictor.graph.batch_norm import BatchNorm
from interpbench.predictor.graph.convolution import Convolution
from interpbench.predictor.graph.fusing import copied, fused, in_place
from interpbench.predictor.graph.layers import layer_of, tidied, with_layers
from interpbench.predictor.graph.normal_form import UnreadableNetwork, normal_form
from interpbench.predictor.graph.onednn import for_forward_passes

SHAPE = (2, 3, 4, 5, 6)
Function = Callable[[Tensor], Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


VOLUMES = drawn(*SHAPE)
WEIGHT, BIAS = drawn(4, 3, 3, 3, 3, seed=1) / 5, drawn(4, seed=2)
SCALE, SHIFT, MEAN = drawn(4, seed=3), drawn(4, seed=4), drawn(4, seed=5)
VARIANCE = drawn(4, seed=6).square() + 0.5


def traced(function: Function) -> fx.GraphModule:
    """The function as a graph of torch's basic operations, those in place among them."""
    return make_fx(function, pre_dispatch=True)(VOLUMES.clone())


def targets(graph: fx.GraphModule) -> list[str]:
    return [str(getattr(node.target, "_opname", node.target)) for node in graph.graph.nodes if "call" in node.op]


def convolved(volumes: Tensor) -> Tensor:
    return torch.ops.aten.conv3d.default(volumes, WEIGHT, BIAS, [1, 1, 1], [1, 1, 1])


def normed(features: Tensor) -> Tensor:
    return torch.ops.aten.batch_norm.default(features, SCALE, SHIFT, MEAN, VARIANCE, False, 0.1, 1e-5, False)


def chain(volumes: Tensor) -> Tensor:
    return torch.relu(normed(convolved(volumes)))


def residual(volumes: Tensor) -> Tensor:
    features = torch.relu(normed(convolved(volumes)))
    return torch.relu(features * 2 + normed(convolved(volumes)))


def in_place_sum(volumes: Tensor) -> Tensor:
    found = volumes * 2
    found.add_(volumes)
    return found.relu_().mul_(3)


def written_twice(volumes: Tensor) -> Tensor:
    found = volumes + 1
    other = found * 2
    found.mul_(5)
    return found + other


def by_constants(volumes: Tensor) -> Tensor:
    grid = torch.arange(6.0).mul(2) - 1
    return volumes * grid + torch.ones(5, 6).cumsum(0)


def switched_off(volumes: Tensor) -> Tensor:
    return F.dropout(volumes, 0.5, training=False) + 1


def reshaped(volumes: Tensor) -> Tensor:
    return (volumes + 1).view(2, 3, -1).transpose(1, 2).reshape(2, 20, -1).sum(1)


FUNCTIONS: dict[str, Function] = {
    "a chain": chain,
    "a residual": residual,
    "sums in place": in_place_sum,
    "a value that is used and then written": written_twice,
    "constants": by_constants,
    "dropout that is off": switched_off,
    "views": reshaped,
    "the volumes themselves": lambda volumes: volumes.clone(),
    "several parts of one": lambda volumes: torch.cat(
        [part * (at + 1) for at, part in enumerate(volumes.split(1, 1))], 1
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_normal_form_says_the_same_and_writes_nowhere(name: str) -> None:
    function = FUNCTIONS[name]
    graph, given = normal_form(traced(function)), VOLUMES.clone()
    assert torch.allclose(graph(given), function(VOLUMES.clone()), atol=1e-6)
    assert torch.equal(given, VOLUMES)
    assert not any(target.endswith("_") for target in targets(graph))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_so_do_its_layers_fused_in_place_and_for_forward_passes(name: str) -> None:
    function = FUNCTIONS[name]
    expected, graph = function(VOLUMES.clone()), with_layers(normal_form(traced(function)))
    before = [str(node) for node in graph.graph.nodes]
    for made in (copied(graph), fused(graph), in_place(fused(graph)), for_forward_passes(fused(graph))):
        given = VOLUMES.clone()
        assert torch.allclose(made(given), expected, atol=1e-5)
        assert torch.equal(given, VOLUMES)
        assert torch.allclose(made(given), expected, atol=1e-5)  # and the second time
    assert [str(node) for node in graph.graph.nodes] == before
    assert torch.allclose(graph(VOLUMES), expected, atol=1e-5)


def test_what_does_not_depend_on_the_volumes_is_worked_out() -> None:
    assert targets(normal_form(traced(by_constants))) == ["mul", "add"]
    assert targets(normal_form(traced(switched_off))) == ["add"]


def test_who_reads_a_value_after_it_was_written_gets_what_came_out() -> None:
    aten, graph = torch.ops.aten, fx.Graph()
    found = graph.call_function(aten.add.Tensor, (graph.placeholder("volumes"), 1))
    before = graph.call_function(aten.mul.Tensor, (found, 10))
    graph.call_function(aten.mul_.Tensor, (found, 3))
    graph.output(graph.call_function(aten.add.Tensor, (found, before)))
    made = normal_form(fx.GraphModule(nn.Module(), graph))
    assert torch.allclose(made(VOLUMES), (VOLUMES + 1) * 13)


def into_a_view(volumes: Tensor) -> Tensor:
    found = volumes + 1
    found[:, 0].mul_(2)
    return found


def after_a_view(volumes: Tensor) -> Tensor:
    found = volumes + 1
    part = found.view(-1)
    found.add_(1)
    return part


def into_a_part(volumes: Tensor) -> Tensor:
    parts = (volumes + 1).split(1, 1)
    parts[0].add_(1)
    return parts[0]


UNREADABLE: dict[str, tuple[Function, str]] = {
    "into a view": (into_a_view, "writes into memory that other values share"),
    "after a view": (after_a_view, "writes into memory that other values share"),
    "into a part": (into_a_part, "writes into memory that other values share"),
    "random values": (lambda volumes: volumes + torch.rand(6), "gives other values each time"),
    "dropout that is on": (lambda volumes: torch.bernoulli(volumes.sigmoid()), "gives other values each time"),
    "strides": (lambda volumes: (volumes + 1).as_strided((2, 3), (1, 2)), "depends on how values lie in memory"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_followed_is_told(name: str) -> None:
    function, why = UNREADABLE[name]
    with pytest.raises(UnreadableNetwork, match=why):
        normal_form(traced(function))


# Layers


def layers_of(function: Function) -> list[nn.Module]:
    graph = with_layers(normal_form(traced(function)))
    found = [layer_of(graph, node) for node in graph.graph.nodes]
    return [layer for layer in found if layer is not None]


def test_convolutions_and_norms_with_constant_weights_become_modules() -> None:
    convolution, norm = layers_of(chain)
    assert isinstance(convolution, Convolution) and isinstance(norm, BatchNorm)
    assert torch.equal(convolution.weight, WEIGHT)
    assert torch.allclose(convolution(VOLUMES), F.conv3d(VOLUMES, WEIGHT, BIAS, padding=1), atol=1e-5)
    features = convolved(VOLUMES)
    assert torch.allclose(norm(features), F.batch_norm(features, MEAN, VARIANCE, SCALE, SHIFT), atol=1e-5)


GEOMETRIES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "by default": ((4, 3, 2, 2, 2), {}),
    "unequal": ((4, 3, 3, 1, 2), {"stride": (1, 2, 3), "padding": (2, 0, 1), "dilation": (1, 2, 1)}),
    "groups": ((6, 1, 2, 2, 2), {"groups": 3}),
    "one number for all": ((4, 3, 3, 3, 3), {"stride": [2], "padding": [1]}),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_convolution_of_any_geometry_is_that_of_torch(name: str, bias: bool) -> None:
    shape, given = GEOMETRIES[name]
    weight, values = drawn(*shape, seed=7), drawn(shape[0], seed=8) if bias else None

    def function(volumes: Tensor) -> Tensor:
        return torch.ops.aten.conv3d.default(volumes, weight, values, **given)

    (layer,) = layers_of(function)
    assert torch.allclose(layer(VOLUMES), function(VOLUMES), atol=1e-4)


def by_the_batch(volumes: Tensor) -> Tensor:
    return torch.ops.aten.batch_norm.default(volumes, None, None, None, None, True, 0.1, 1e-5, False)


def by_the_volumes(volumes: Tensor) -> Tensor:
    return torch.ops.aten.conv3d.default(volumes, WEIGHT * volumes.mean(), None)


@pytest.mark.parametrize(
    "function", [by_the_batch, by_the_volumes], ids=["statistics of the batch", "weights that vary"]
)
def test_what_is_not_constant_is_no_layer(function: Function) -> None:
    assert layers_of(function) == []
    assert torch.allclose(with_layers(normal_form(traced(function)))(VOLUMES), function(VOLUMES), atol=1e-5)


def test_two_layers_become_one_only_where_nobody_reads_between_them() -> None:
    def read_between(volumes: Tensor) -> Tensor:
        features = convolved(volumes)
        return torch.relu(normed(features)) + features

    def layers_after(function: Function) -> list[str]:
        return targets(fused(with_layers(normal_form(traced(function)))))

    assert len(layers_after(chain)) == 1
    assert len(layers_after(read_between)) == 3  # the convolution, the norm with its ReLU, and the sum
    assert layers_after(lambda volumes: torch.relu(torch.relu(convolved(volumes))))[1:] == ["relu"]


def test_what_nobody_uses_is_gone() -> None:
    graph = with_layers(normal_form(traced(chain)))
    graph.register_buffer("unused", torch.ones(3))
    graph.add_module("spare", nn.Identity())
    assert {"unused", "spare"}.isdisjoint(
        {**dict(tidied(graph).named_buffers()), **dict(tidied(graph).named_modules())}
    )
