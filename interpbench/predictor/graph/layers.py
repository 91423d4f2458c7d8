"""Layers of a graph as modules: 3D convolutions and batch norms with constant weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from interpbench.predictor.graph.batch_norm import BatchNorm
from interpbench.predictor.graph.convolution import Convolution, three

aten = torch.ops.aten


def with_layers(network: fx.GraphModule) -> fx.GraphModule:
    """Return the graph with `Convolution` and `BatchNorm` as modules, where all but their input is constant."""
    for node in list(network.graph.nodes):
        make = _LAYERS.get(node.target)
        layer = None if make is None else make(constant_arguments(network, node))
        if layer is not None:
            put_layer(network, node, layer)
    return tidied(network)


def layer_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """Return the module that a node calls; None of any other node."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def put_layer(network: fx.GraphModule, node: fx.Node, layer: nn.Module) -> None:
    """Let a node call a module with its first argument."""
    name = f"layer_{node.name}"
    network.add_submodule(name, layer)
    node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}


def constant_arguments(network: fx.GraphModule, node: fx.Node) -> Mapping[str, Any]:
    """Return the arguments of an operation by their names; of what varies its node."""
    target: Any = node.target
    named = zip((one.name for one in target._schema.arguments), node.args, strict=False)
    return {name: fx.map_arg(value, _constant_in(network)) for name, value in (*named, *node.kwargs.items())}


def tidied(network: fx.GraphModule) -> fx.GraphModule:
    """Return the graph without constants and modules that nobody uses."""
    network.graph.eliminate_dead_code()
    network.graph.lint()
    return fx.GraphModule(network, network.graph)


def _constant_in(network: fx.GraphModule) -> Callable[[fx.Node], Any]:
    return lambda node: getattr(network, str(node.target)) if node.op == "get_attr" else node


def _convolution(given: Mapping[str, Any]) -> Convolution | None:
    weight, bias = given["weight"], given.get("bias")
    if not isinstance(weight, Tensor) or isinstance(bias, fx.Node):
        return None
    stride, padding, dilation = (three(given.get(name, usual)) for name, usual in _GEOMETRY)
    return Convolution(weight, bias, stride, padding, dilation, int(given.get("groups", 1)))


def _batch_norm(given: Mapping[str, Any]) -> BatchNorm | None:
    names = {"weight": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
    values = {name: given[theirs] for name, theirs in names.items()}
    if given["training"] or values["mean"] is None or any(isinstance(one, fx.Node) for one in values.values()):
        return None  # else by the statistics of the batch
    return BatchNorm(**values, eps=given["eps"])


_GEOMETRY = (("stride", 1), ("padding", 0), ("dilation", 1))
_LAYERS: dict[Any, Callable[[Mapping[str, Any]], nn.Module | None]] = {
    aten.conv3d.default: _convolution,
    aten.batch_norm.default: _batch_norm,
}
