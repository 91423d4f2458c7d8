"""A faster copy of a frozen predictor for training: predictions and gradients with respect to the input.

The copy's network is traced by `torch.fx`. Batch norms are folded into the convolutions before them, ReLU works in
place where nothing else reads its input, and the first convolution is a `Stem` where it can be. No weight of it asks
for a gradient. What cannot be traced, or then answers otherwise, stays as it is.
"""

from __future__ import annotations

import copy
import logging
import operator
from types import EllipsisType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from interpbench import NetworkPredictor, Predictor
from interpbench.kit import PRECISIONS, settle
from interpbench_unoise.stem import Pool, Stem, Triple

log = logging.getLogger("interpbench")

TOLERANCE = 1e-2  # of the size of answers and gradients: rounding tips units of ReLU over, which gives up to 1e-3
CHECKED_EDGE = 48  # voxels: the copy is checked on a part of a volume, where the network takes parts


def frozen_copy(predictor: Predictor, example: Tensor, precision: str = "float32") -> Predictor:
    """A predictor with the same predictions, faster if possible; the given one is not changed.

    Args:
        example: volumes `(B, 1, I, J, K)` of at least one subject on the predictor's device, to check the copy by.
        precision: in which the copy's convolutions will run; their weights are kept in it.
    """
    if not isinstance(predictor, NetworkPredictor):
        log.debug("the predictor is not accelerated: %s is not a NetworkPredictor", type(predictor).__name__)
        return predictor
    device = example.device
    try:
        network = _Folding(copy.deepcopy(predictor.module), on_cpu=device.type == "cpu").network
        faster = predictor.with_module(settle(network, device))
        agrees = _agree(predictor, faster, example[:1])
    except Exception as error:  # ordinary code that meets a tracer may fail in any way
        log.debug("the predictor is not accelerated: %s", error)
        return predictor
    if not agrees:
        log.debug("the predictor is not accelerated: its frozen copy gives other predictions")
        return predictor
    for part in network.modules():
        if isinstance(part, nn.Conv3d) and precision != "float32":
            part.to(PRECISIONS[precision])
    return faster


class ExactLinear(nn.Module):
    """A linear layer in float32, also inside autocast: it costs nothing, and an answer of 60 years has 8 bits else."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            exact: Tensor = self.layer(features.to(self.layer.weight.dtype))
        return exact


class _Folding:
    """The traced and folded network; the one given is used up."""

    def __init__(self, module: nn.Module, *, on_cpu: bool) -> None:
        module.eval().requires_grad_(False)
        self.network = fx.symbolic_trace(module)
        for node in list(self.network.graph.nodes):
            self._fold_batch_norm(node)
        for node in list(self.network.graph.nodes):
            self._work_in_place(node)
        for node in list(self.network.graph.nodes):
            layer = self._module(node)
            if isinstance(layer, nn.Linear):
                self._replace(node, ExactLinear(layer))
            if on_cpu and isinstance(layer, nn.Conv3d):
                self._put_stem(node, layer)
        self.network.graph.lint()
        self.network.recompile()

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.network.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _replace(self, node: fx.Node, module: nn.Module) -> None:
        name = str(node.target).replace(".", "_") + "_frozen"
        self.network.add_submodule(name, module)
        node.target = name

    def _remove(self, node: fx.Node) -> None:
        (before, *_) = node.args
        assert isinstance(before, fx.Node)
        node.replace_all_uses_with(before)
        self.network.graph.erase_node(node)

    def _fold_batch_norm(self, node: fx.Node) -> None:
        norm = self._module(node)
        before = node.args[0] if node.args else None
        if not isinstance(norm, nn.BatchNorm3d) or norm.running_var is None or not isinstance(before, fx.Node):
            return
        layer = self._module(before)
        if type(layer) is nn.Conv3d and len(before.users) == 1:
            self._replace(before, folded(layer, norm))
            self._remove(node)

    def _work_in_place(self, node: fx.Node) -> None:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) > 1:
            return
        made_anew = isinstance(self._module(before), nn.Conv3d) or before.target in (operator.add, torch.add)
        if before.target is operator.iadd:  # the sum is the first summand's own memory
            made_anew = isinstance(before.args[0], fx.Node) and len(before.args[0].users) == 1
        if isinstance(self._module(node), nn.ReLU) and made_anew:
            self._replace(node, nn.ReLU(inplace=True))
        elif node.target in (F.relu, torch.relu) and made_anew:
            node.target, node.kwargs = F.relu, {"inplace": True}

    def _put_stem(self, node: fx.Node, layer: nn.Conv3d) -> None:
        """Where this convolution of the input, a ReLU and a pooling come one after the other."""
        chain = [node]
        while len(chain) < 3 and len(chain[-1].users) == 1:
            chain.extend(chain[-1].users)
        padding, pool = _plain_padding(layer), self._module(chain[-1])
        given = node.args[0]
        if len(chain) < 3 or padding is None or not isinstance(given, fx.Node) or given.op != "placeholder":
            return
        if not isinstance(self._module(chain[1]), nn.ReLU) and chain[1].target is not F.relu:
            return
        if not isinstance(pool, nn.MaxPool3d) or pool.ceil_mode or pool.return_indices:
            return
        if _triple(pool.dilation) != ONES:
            return
        shape = Pool(_triple(pool.kernel_size), _triple(pool.stride), _triple(pool.padding))
        self._replace(node, Stem(layer, padding, shape))
        for later in reversed(chain[1:]):
            self._remove(later)


ONES = (1, 1, 1)


def folded(layer: nn.Conv3d, norm: nn.BatchNorm3d) -> nn.Conv3d:
    """A convolution that does what the two do in eval mode, its weights found in float64.

    w' = w gamma / sqrt(var + eps), b' = (b - mean) gamma / sqrt(var + eps) + beta.
    """
    assert norm.running_mean is not None and norm.running_var is not None, "only those with statistics are folded"
    merged = copy.deepcopy(layer)
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.double()
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.double()
    shift = (bias - norm.running_mean.double()) * scale
    shift = shift if norm.bias is None else shift + norm.bias.double()
    weight = layer.weight.double() * scale.reshape(-1, 1, 1, 1, 1)
    merged.weight = nn.Parameter(weight.to(layer.weight.dtype), requires_grad=False)
    merged.bias = nn.Parameter(shift.to(layer.weight.dtype), requires_grad=False)
    return merged


def _plain_padding(layer: nn.Conv3d) -> Triple | None:
    """The padding of a convolution that a `Stem` can do, else None."""
    plain = layer.in_channels == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if not plain or layer.stride != ONES or layer.dilation != ONES:
        return None
    return _triple(layer.padding)


def _triple(value: Any) -> Triple:
    i, j, k = (value,) * 3 if isinstance(value, int) else value
    return int(i), int(j), int(k)


def _agree(predictor: Predictor, faster: Predictor, example: Tensor) -> bool:
    """Whether both give the same answers and gradients, for volumes like the example and their negatives."""
    try:
        part = _middle(example)
        first = _answers(predictor, part)
    except Exception:  # a network may ask for the edges that it was made for
        part = example
        first = _answers(predictor, part)
    for one, two in zip(first, _answers(faster, part), strict=True):
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
