"""From a network's graph to its steps, and which of them can be done for a part of the volume alone.

Local are windows with constant weights, and what works on each voxel for itself: activations, batch norm in eval
mode, sums and concatenations of volumes. Everything else needs whole tensors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from interpbench.kit import BatchNorm, Convolution, UnreadableNetwork, constant_arguments, layer_of
from interpbench_occlusion.steps import Edges, Program, Step
from interpbench_occlusion.windows import Pooling, average_pooling, max_pooling, window_of

aten = torch.ops.aten

_POOLINGS: dict[Any, Callable[[Any], Pooling | None]] = {
    aten.max_pool3d.default: max_pooling,
    aten.avg_pool3d.default: average_pooling,
}

_BY_VOXEL = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus",
    "hardtanh", "hardswish", "hardsigmoid", "prelu", "abs", "neg", "exp", "square", "sqrt", "clamp", "clamp_min",
    "clone", "contiguous", "alias", "detach", "to", "add", "sub", "mul", "div", "maximum", "minimum",
)  # fmt: skip


def program_of(network: fx.GraphModule) -> Program:
    """Return the steps of a predictor's graph (`interpbench.read_network`).

    Raises:
        UnreadableNetwork: it has several inputs or results.
    """
    return _Reader(network).program()


def in_precision(program: Program, precision: torch.dtype) -> Program:
    """Return the program with its convolutions in another precision."""

    def changed(step: Step) -> Step:
        if not isinstance(step.call, Convolution):
            return step
        made = step.call.in_precision(precision)
        return replace(step, call=made, part=made)

    return replace(program, steps=tuple(changed(step) for step in program.steps))


class _Reader:
    """Goes through a graph once."""

    def __init__(self, network: fx.GraphModule) -> None:
        self.network = network
        self.constants: dict[fx.Node, Any] = {}
        self.by_size: dict[fx.Node, Callable[[int], Any]] = {}  # what follows from the number of volumes alone
        self.steps: list[Step] = []
        self.edges: dict[str, Edges] = {}
        self.channels: dict[str, int] = {}

    def program(self) -> Program:
        nodes = self.network.graph.nodes
        for node in nodes:
            value = node.meta.get("val")
            if isinstance(value, Tensor) and value.dim() == 5:
                first, second, third = (int(edge) for edge in value.shape[2:])
                self.edges[node.name], self.channels[node.name] = (first, second, third), int(value.shape[1])
            if node.op == "get_attr":
                self.constants[node] = operator.attrgetter(str(node.target))(self.network)
            elif node.op.startswith("call"):
                self._read(node)
        volumes = [node.name for node in nodes if node.op == "placeholder"]
        results = next(node for node in nodes if node.op == "output").all_input_nodes
        if len(volumes) != 1 or len(results) != 1:
            raise UnreadableNetwork("it has several inputs or results")
        return Program(tuple(self.steps), volumes[0], results[0].name, self.edges, self.channels)

    def _read(self, node: fx.Node) -> None:
        inputs = [one for one in node.all_input_nodes if one not in self.constants and one not in self.by_size]
        if node.target is aten.sym_size.int and node.args[1] == 0:
            self.by_size[node] = lambda number: number
        elif not inputs:
            call = self._bound(node, ())
            self.by_size[node] = lambda number: call(number=number)
        else:
            self.steps.append(self._step(node, inputs))

    def _step(self, node: fx.Node, inputs: Sequence[fx.Node]) -> Step:
        names, layer = tuple(one.name for one in inputs), layer_of(self.network, node)
        if isinstance(layer, Convolution):
            return Step(result=node.name, inputs=names, call=layer, part=layer, window=window_of(layer))
        pool = self._pooling(node, inputs)
        if pool is not None:
            return Step(result=node.name, inputs=names, call=pool, part=pool.of_part, window=pool.window)
        call = layer or self._bound(node, inputs)
        return Step(result=node.name, inputs=names, call=call, part=call if self._by_voxel(node, inputs) else None)

    def _bound(self, node: fx.Node, inputs: Sequence[fx.Node]) -> Callable[..., Any]:
        """The node's operation as a function of its inputs, or of the number of volumes where it has none."""
        fixed = {one: self.constants[one] for one in node.all_input_nodes if one in self.constants}
        places = {one: index for index, one in enumerate(inputs)}
        by_size = {one: self.by_size[one] for one in node.all_input_nodes if one in self.by_size}
        target: Any = node.target
        args, kwargs = node.args, node.kwargs

        def call(*values: Any, number: int | None = None) -> Any:
            def filled(one: fx.Node) -> Any:
                if one in by_size:
                    return by_size[one](values[0].shape[0] if number is None else number)
                return values[places[one]] if one in places else fixed[one]

            return target(*fx.map_arg(args, filled), **fx.map_arg(kwargs, filled))

        return call

    def _pooling(self, node: fx.Node, inputs: Sequence[fx.Node]) -> Pooling | None:
        """The pooling of one volume that a node is."""
        if node.target not in _POOLINGS or len(inputs) != 1 or inputs[0].name not in self.edges:
            return None
        return _POOLINGS[node.target](constant_arguments(self.network, node))

    def _by_voxel(self, node: fx.Node, inputs: Sequence[fx.Node]) -> bool:
        """Whether each voxel of the result depends on the same voxel of volumes, and else on constants by channel."""
        edges = {self.edges.get(one.name) for one in (node, *inputs)}
        if len(edges) > 1 or None in edges:
            return False
        if isinstance(layer_of(self.network, node), BatchNorm):
            return True
        others = [one for one in node.all_input_nodes if one not in inputs]
        if node.target is aten.cat.default:
            return not others and len(node.args) > 1 and node.args[1] in (1, -4)
        name = str(getattr(node.target, "_opname", ""))
        constants = (self.constants.get(one, one.meta.get("val")) for one in others)
        return name in _BY_VOXEL and (name == "prelu" or all(_by_channel(value) for value in constants))


def _by_channel(value: Any) -> bool:
    """Whether a constant is one number, or one for each channel."""
    if not isinstance(value, Tensor):
        return True
    return value.dim() == 0 or (value.dim() >= 4 and math.prod(value.shape[-3:]) == 1)
