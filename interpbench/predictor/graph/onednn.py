"""A graph for forward passes alone on a CPU, whose layers are calls of oneDNN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from interpbench.predictor.graph.batch_norm import BatchNorm
from interpbench.predictor.graph.convolution import CHANNELS_LAST, Convolution, Three
from interpbench.predictor.graph.fusing import in_place
from interpbench.predictor.graph.layers import layer_of, tidied

aten = torch.ops.aten


def for_forward_passes(network: fx.GraphModule) -> fx.GraphModule:
    """Return a graph for whole volumes and no gradients: a layer is a bare call, and volumes stay in channels last.

    Of a network with many small layers, modules around the calls would take a fifth of the time.
    """
    network = in_place(network)
    for node in list(network.graph.nodes):
        layer = layer_of(network, node)
        if isinstance(layer, Convolution):
            _call_convolution(network, node, layer)
        elif isinstance(layer, BatchNorm) and _edges(node) is not None:
            _call_line(network, node, layer)
        elif node.target is aten.avg_pool3d.default and _edges(node) is not None:  # which leaves channels last
            with network.graph.inserting_after(node):
                settled = _in_channels_last(network, node)
            node.replace_all_uses_with(settled, delete_user_cb=lambda user, settled=settled: user is not settled)
    return tidied(network)


def _call_convolution(network: fx.GraphModule, node: fx.Node, layer: Convolution) -> None:
    """Call oneDNN, where `Convolution` would call it and has no fault to go around."""
    given = node.args[0]
    edges = _edges(given) if isinstance(given, fx.Node) else None
    if edges is None or not layer.is_plain_for(edges):
        return
    with network.graph.inserting_before(node):
        volumes = _in_channels_last(network, given)
        weight = _held(network, node, "weight", layer.for_onednn())
        bias = None if layer.bias is None else _held(network, node, "bias", layer.bias)
    after = "relu" if layer.rectified else "none"
    node.op, node.target = "call_function", torch.ops.mkldnn._convolution_pointwise.default
    node.args = (
        volumes,
        weight,
        bias,
        layer.padding,
        layer.stride,
        layer.dilation,
        layer.groups,
        after,
        [],
        "",
    )


def _call_line(network: fx.GraphModule, node: fx.Node, layer: BatchNorm) -> None:
    """Replace a batch norm by a product and a sum."""
    with network.graph.inserting_before(node):
        scale, shift = (
            _held(network, node, name, values)
            for name, values in zip(("scale", "shift"), layer.by_channel(), strict=True)
        )
    node.op, node.target, node.args = "call_function", aten.addcmul.default, (shift, node.args[0], scale)
    if layer.rectified:
        with network.graph.inserting_after(node):
            rectified = network.graph.call_function(aten.relu_.default, (node,))
        rectified.meta = dict(node.meta)
        node.replace_all_uses_with(rectified, delete_user_cb=lambda user: user is not rectified)


def _held(network: fx.GraphModule, node: fx.Node, name: str, values: Tensor) -> fx.Node:
    """A node for a tensor that the graph keeps."""
    network.register_buffer(f"{node.name}_{name}", values)
    return network.graph.get_attr(f"{node.name}_{name}")


def _in_channels_last(network: fx.GraphModule, volumes: Any) -> fx.Node:
    made = network.graph.call_method("contiguous", (volumes,), {"memory_format": CHANNELS_LAST})
    made.meta = dict(volumes.meta)
    return made


def _edges(node: fx.Node) -> Three | None:
    """The edges of a volume `(B, C, I, J, K)` in float32; None for anything else."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or value.dim() != 5 or value.dtype != torch.float32:
        return None
    first, second, third = (int(edge) for edge in value.shape[2:])
    return first, second, third
