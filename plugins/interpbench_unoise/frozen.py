"""A faster copy of a frozen predictor for training: predictions and gradients with respect to the input.

The network is read as a graph. Batch norms and ReLUs are inside the convolutions before them, sums and ReLUs work in
place where nothing else reads their input, and the first convolution is a `Stem` where it can be. No weight of it asks
for a gradient. What cannot be read, or then answers otherwise, stays as it is.
"""

from __future__ import annotations

import logging
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from interpbench import NetworkPredictor, Predictor
from interpbench.kit import (
    PRECISIONS,
    Convolution,
    constant_arguments,
    fused,
    in_place,
    layer_of,
    put_layer,
    read_function,
    three,
    tidied,
)
from interpbench_unoise.stem import Pool, Stem

log = logging.getLogger("interpbench")

TOLERANCE = 1e-2  # of the size of answers and gradients: rounding tips units of ReLU over, which gives up to 1e-3
CHECKED_EDGE = 48  # voxels: the copy is checked on a part of a volume, where the network takes parts
ONES = (1, 1, 1)
aten = torch.ops.aten


def frozen_copy(predictor: Predictor, example: Tensor, precision: str = "float32") -> Predictor:
    """A predictor with the same predictions, faster if possible; the given one is not changed.

    Args:
        example: volumes `(B, 1, I, J, K)` of at least one subject on the predictor's device: the copy is for volumes of
            their edges, and is checked by them.
        precision: in which the copy's convolutions will run; their weights are kept in it.
    """
    if not isinstance(predictor, NetworkPredictor):
        log.debug("the predictor is not accelerated: %s is not a NetworkPredictor", type(predictor).__name__)
        return predictor
    try:
        graph = in_place(fused(read_function(predictor.module, predictor.module, example)))
        network = _for_training(graph, on_cpu=example.device.type == "cpu")
        faster = predictor.with_module(network)
        agrees = _agree(predictor, faster, example[:1])
    except Exception as error:  # ordinary code that meets a tracer may fail in any way
        log.debug("the predictor is not accelerated: %s", error)
        return predictor
    if not agrees:
        log.debug("the predictor is not accelerated: its frozen copy gives other predictions")
        return predictor
    if precision != "float32":
        _convolve_in(network, PRECISIONS[precision])
    return faster


class ExactLinear(nn.Module):
    """A linear layer in float32, also inside autocast: it costs nothing, and an answer of 60 years has 8 bits else."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(self.weight.dtype), self.weight, self.bias)


def _for_training(network: fx.GraphModule, *, on_cpu: bool) -> fx.GraphModule:
    """The graph with linear layers that stay exact in bfloat16 and, on a CPU, with a `Stem`."""
    for node in list(network.graph.nodes):
        layer = layer_of(network, node)
        if node.target is aten.linear.default:
            given = constant_arguments(network, node)
            if isinstance(given["weight"], Tensor) and not isinstance(given.get("bias"), fx.Node):
                put_layer(network, node, ExactLinear(given["weight"], given.get("bias")))
        elif on_cpu and isinstance(layer, Convolution):
            _put_stem(network, node, layer)
    return tidied(network)


def _put_stem(network: fx.GraphModule, node: fx.Node, layer: Convolution) -> None:
    """Where this is a convolution of the input with ReLU, and nothing but a pooling reads it."""
    given, after = node.args[0], next(iter(node.users))
    if not isinstance(given, fx.Node) or given.op != "placeholder" or len(node.users) > 1:
        return
    one_channel = layer.weight.shape[1] == 1 and layer.groups == 1
    if not (one_channel and layer.rectified and layer.stride == layer.dilation == ONES):
        return
    if after.target is not aten.max_pool3d.default:
        return
    pool = constant_arguments(network, after)
    if pool.get("ceil_mode") or three(pool.get("dilation", 1)) != ONES:
        return
    kernel = three(pool["kernel_size"])
    shape = Pool(kernel, three(pool.get("stride") or kernel), three(pool.get("padding", 0)))
    put_layer(network, node, Stem(layer, layer.padding, shape))
    after.replace_all_uses_with(node)
    network.graph.erase_node(after)


def _convolve_in(network: nn.Module, precision: torch.dtype) -> None:
    """Bring the weights of all its convolutions to another precision."""
    for part in list(network.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, Convolution):
                setattr(part, name, layer.in_precision(precision))


def _agree(predictor: Predictor, faster: Predictor, example: Tensor) -> bool:
    """Whether both give the same answers and gradients, on a part of the example or, if not there, on all of it.

    A network, and even more its graph, may be for the edges of the whole volume alone.
    """
    try:
        if _agree_on(predictor, faster, _middle(example)):
            return True
    except Exception as error:
        log.debug("the copy is checked on a whole volume: %s", error)
    return _agree_on(predictor, faster, example)


def _agree_on(predictor: Predictor, faster: Predictor, example: Tensor) -> bool:
    """Whether both give the same answers and gradients, for volumes like the example and their negatives."""
    for one, two in zip(_answers(predictor, example), _answers(faster, example), strict=True):
        if one.shape != two.shape or not bool(torch.isfinite(two).all()):
            return False
        if float((one - two).norm()) > TOLERANCE * max(float(one.norm()), 1e-30):
            return False
    return True


def _middle(volumes: Tensor) -> Tensor:
    cut: list[EllipsisType | slice] = [...]
    for edge in volumes.shape[2:]:
        start = max(0, (edge - CHECKED_EDGE) // 2)
        cut.append(slice(start, start + CHECKED_EDGE))
    return volumes[tuple(cut)]


def _answers(predictor: Predictor, volumes: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.cat([volumes, -volumes]).contiguous().requires_grad_(True)
    with torch.enable_grad():
        predictions = predictor.predict(both)
    return predictions.detach(), torch.autograd.grad(predictions.sum(), both)[0]
