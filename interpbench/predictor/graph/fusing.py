"""A graph with fewer layers that says the same: batch norms and ReLUs in the layers before them, sums in place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from interpbench.predictor.graph.batch_norm import BatchNorm
from interpbench.predictor.graph.convolution import Convolution
from interpbench.predictor.graph.layers import layer_of, put_layer, tidied

aten = torch.ops.aten


def copied(network: fx.GraphModule) -> fx.GraphModule:
    """Return a graph of its own with the same layers."""
    graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in network.graph.nodes:
        made[node] = graph.node_copy(node, made.__getitem__)
    graph.set_codegen(network.graph._codegen)
    return fx.GraphModule(network, graph)


def fused(network: fx.GraphModule) -> fx.GraphModule:
    """Return a graph in which two layers are one, where nobody else reads what is between them."""
    network = copied(network)
    for node in list(network.graph.nodes):
        before = _only_read_by(node)
        made = None if before is None else _together(layer_of(network, before), layer_of(network, node) or node.target)
        if before is not None and made is not None:
            put_layer(network, before, made)
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)
    return tidied(network)


def in_place(network: fx.GraphModule) -> fx.GraphModule:
    """Return a graph for whole volumes in which ReLUs and sums write over what nobody else reads."""
    network = copied(network)
    for node in network.graph.nodes:
        if node.target is aten.add.Tensor and not node.kwargs:
            first, second = node.args
            if not _is_new(network, first) and _is_new(network, second):
                first, second = second, first
            if _is_new(network, first) and _alike(first, second):
                node.target, node.args = aten.add_.Tensor, (first, second)
        elif node.target is aten.relu.default and _is_sum_or_maximum(_only_read_by(node)):
            node.target = aten.relu_.default
    network.recompile()
    return network


def _together(first: nn.Module | None, second: Any) -> nn.Module | None:
    """One layer for two; None if they cannot be joined."""
    if not isinstance(first, Convolution | BatchNorm) or first.rectified:
        return None
    if second is aten.relu.default:
        if isinstance(first, BatchNorm):
            return first.and_relu()
        return first.like(first.weight, first.bias, rectified=True)
    if isinstance(first, Convolution) and isinstance(second, BatchNorm):
        return second.after(first)
    return None


def _only_read_by(node: fx.Node) -> fx.Node | None:
    """The node's first argument, if no other node reads it."""
    before = node.args[0] if node.args else None
    return before if isinstance(before, fx.Node) and len(before.users) == 1 else None


def _is_new(network: fx.GraphModule, value: Any) -> bool:
    """Whether a value was made by a convolution for one reader, and no gradient asks for it later."""
    layer = layer_of(network, value) if isinstance(value, fx.Node) and len(value.users) == 1 else None
    return isinstance(layer, Convolution) and not layer.rectified


def _is_sum_or_maximum(node: fx.Node | None) -> bool:
    return node is not None and node.target in (aten.add.Tensor, aten.add_.Tensor, aten.max_pool3d.default)


def _alike(first: fx.Node, second: Any) -> bool:
    """Whether two values have the same edges and type."""
    one, other = first.meta.get("val"), second.meta.get("val") if isinstance(second, fx.Node) else None
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return False
    return one.dtype == other.dtype and tuple(one.shape) == tuple(other.shape)
