"""From a predictor to its steps, by `torch.export`, which writes a network down in torch's elementary operations.

Local are windows with constant weights, and what works on each voxel for itself: activations, batch norm in eval
mode, sums and concatenations of volumes. Everything else needs whole tensors.
"""

from __future__ import annotations

import gc
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from interpbench import Predictor
from interpbench_occlusion.convolution import Convolution, convolution
from interpbench_occlusion.fusing import BatchNorm
from interpbench_occlusion.steps import Edges, Program, Step
from interpbench_occlusion.windows import Pooling, average_pooling, max_pooling

aten = torch.ops.aten

_WINDOWS: dict[Any, Callable[[dict[str, Any]], Convolution | Pooling | None]] = {
    aten.conv3d.default: convolution,
    aten.max_pool3d.default: max_pooling,
    aten.avg_pool3d.default: average_pooling,
}

_BY_VOXEL = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "softplus",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "prelu",
    "abs",
    "neg",
    "exp",
    "square",
    "sqrt",
    "clamp",
    "clamp_min",
    "batch_norm",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "clone",
    "contiguous",
    "alias",
    "detach",
    "to",
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
)


class Untraceable(Exception):
    """The predictor cannot be written down as steps; the message says why."""


def program_of(predictor: Predictor, example: Tensor) -> Program:
    """Write a predictor down.

    Args:
        example: volumes `(B, 1, I, J, K)`, whose edges and device the program is for.

    Raises:
        Untraceable: torch cannot trace it, or only for one size of batch.
    """
    pair = torch.cat([example[:1], example[:1]])
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    try:
        with torch.no_grad(), _quiet(), _uncollected():
            traced = torch.export.export(_Predicts(predictor), (pair,), dynamic_shapes=sizes, strict=False)
            return _Reader(traced.module(check_guards=False)).program()
    except Untraceable:
        raise
    except Exception as error:  # ordinary code that meets a tracer may fail in any way
        if type(error).__module__.split(".")[0] not in ("builtins", "torch", "numpy", "sympy"):
            raise  # an error of a class of its own is what the predictor itself has to say
        raise Untraceable(str(error).strip().partition("\n")[0] or type(error).__name__) from error


def in_precision(program: Program, precision: torch.dtype) -> Program:
    """The program with its convolutions in another precision."""

    def changed(step: Step) -> Step:
        if not isinstance(step.call, Convolution):
            return step
        made = step.call.to(precision)
        return replace(step, call=made, part=made.of_part)

    return replace(program, steps=tuple(changed(step) for step in program.steps))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of a network that it cannot trace: half of the network, page by page."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, which would go through a trace's millions of objects again and again."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class _Predicts(nn.Module):
    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.module = predictor.module
        self._predict = predictor.predict
        self.training = False  # and the network as it is

    def forward(self, volumes: Tensor) -> Tensor:
        return self._predict(volumes)


class _Reader:
    """Goes through a traced graph once."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.names: dict[fx.Node, str] = {}  # the value that a node stands for by now
        self.constants: dict[str, Any] = {}
        self.by_size: dict[str, Callable[[int], Any]] = {}  # what follows from the number of volumes alone
        self.sharing: set[str] = set()  # values that share memory with another
        self.steps: list[Step] = []
        self.edges: dict[str, Edges] = {}
        self.channels: dict[str, int] = {}

    def program(self) -> Program:
        volume = output = ""
        for node in self.graph.graph.nodes:
            self.names[node] = node.name
            value = node.meta.get("val")
            if isinstance(value, Tensor) and value.dim() == 5:
                first, second, third = (int(edge) for edge in value.shape[2:])
                self.edges[node.name], self.channels[node.name] = (first, second, third), int(value.shape[1])
            if node.op == "placeholder":
                volume = node.name
            elif node.op == "get_attr":
                self.constants[node.name] = _attribute(self.graph, str(node.target))
            elif node.op == "call_function":
                self._read(node)
            elif node.op == "output":
                (found,) = node.args[0]
                output = self.names[found]
            else:
                raise Untraceable(f"its trace has a {node.op}, {node.target}")
        return Program(tuple(self.steps), volume, output, self.edges, self.channels)

    def _read(self, node: fx.Node) -> None:
        target = _without_side_effect(node)
        self._refuse_hidden_writing(node, target)
        varying = dict.fromkeys(self.names[one] for one in node.all_input_nodes if self._varies(one))
        inputs = tuple(name for name in varying if name not in self.by_size)
        call = self._bound(target, node, inputs)
        if not varying:
            self.constants[node.name] = call()
            return
        if target is aten.sym_size.int and node.args[1] == 0:
            self.by_size[node.name] = lambda number: number
            return
        if not inputs:
            self.by_size[node.name] = lambda number: call(number=number)
            return
        call = self._known(node, target) or call
        step = self._window(node, target, inputs) or Step(result=node.name, inputs=inputs, call=call)
        if not step.local and self._by_voxel(node, target, inputs):
            step = replace(step, part=call.of_part if isinstance(call, BatchNorm) else call)
        self.steps.append(step)
        if target is not node.target:  # in place: from now on the first argument is what came out
            before = self.names[_node(node.args[0])]
            for other, name in self.names.items():
                if name == before:
                    self.names[other] = node.name

    def _refuse_hidden_writing(self, node: fx.Node, target: Any) -> None:
        """Follow which values share memory: what is written in place under one name changes under the others too.

        Raises:
            Untraceable: a value is written in place that has another name, or that is a constant.
        """
        if target is not node.target:
            written = self.names[_node(node.args[0])]
            if written in self.sharing or written in self.constants:
                raise Untraceable(f"{node.target} writes into memory that other values share")
        elif any(one.alias_info is not None for one in getattr(getattr(target, "_schema", None), "returns", ())):
            self.sharing |= {node.name, *(self.names[one] for one in node.all_input_nodes)}

    def _varies(self, node: fx.Node) -> bool:
        return self.names[node] not in self.constants

    def _value(self, argument: Any) -> Any:
        """A constant argument's value; of a varying one its node."""
        if isinstance(argument, fx.Node) and not self._varies(argument):
            return self.constants[self.names[argument]]
        return argument

    def _bound(self, target: Callable[..., Any], node: fx.Node, inputs: Sequence[str]) -> Callable[..., Any]:
        """The node's operation as a function of its inputs, or of the number of volumes where it has none."""
        names = {one: self.names[one] for one in node.all_input_nodes}
        fixed = {name: self.constants[name] for name in names.values() if name in self.constants}
        places = {name: index for index, name in enumerate(inputs)}
        by_size = {name: self.by_size[name] for name in names.values() if name in self.by_size}
        args, kwargs = node.args, node.kwargs

        def call(*values: Any, number: int | None = None) -> Any:
            def filled(one: fx.Node) -> Any:
                name = names[one]
                if name in by_size:
                    return by_size[name](values[0].shape[0] if number is None else number)
                return values[places[name]] if name in places else fixed[name]

            return target(*fx.map_arg(args, filled), **fx.map_arg(kwargs, filled))

        return call

    def _known(self, node: fx.Node, target: Any) -> Callable[..., Any] | None:
        """What can be brought together with the step before."""
        if target is aten.relu.default:
            return torch.relu
        if target is not aten.batch_norm.default or any(self._varies(one) for one in node.all_input_nodes[1:]):
            return None
        weight, bias, mean, variance, training, _, eps, *_ = (self._value(one) for one in node.args[1:])
        if training or mean is None:
            return None
        return BatchNorm(weight=weight, bias=bias, mean=mean, variance=variance, eps=eps)

    def _window(self, node: fx.Node, target: Any, inputs: tuple[str, ...]) -> Step | None:
        """The step, where it is a window over one volume."""
        if target not in _WINDOWS or len(inputs) != 1 or inputs[0] not in self.edges:
            return None
        named = zip(target._schema.arguments, node.args, strict=False)
        given = {argument.name: self._value(value) for argument, value in named} | dict(node.kwargs)
        made = _WINDOWS[target](given)
        if made is None:
            return None
        return Step(result=node.name, inputs=inputs, call=made, part=made.of_part, window=made.window)

    def _by_voxel(self, node: fx.Node, target: Any, inputs: tuple[str, ...]) -> bool:
        """Whether each voxel of the result depends on the same voxel of volumes, and else on constants by channel."""
        edges = {self.edges.get(name) for name in (node.name, *inputs)}
        if len(edges) > 1 or None in edges:
            return False
        others = [one for one in node.all_input_nodes if self.names[one] not in inputs]
        if target is aten.cat.default:
            return not others and len(node.args) > 1 and node.args[1] in (1, -4)
        if _name(target) not in _BY_VOXEL:
            return False
        if target is aten.batch_norm.default:
            return not node.args[5]  # else by the statistics of the batch
        constants = (one.meta.get("val") if self._varies(one) else self._value(one) for one in others)
        return _name(target) == "prelu" or all(
            value.dim() == 0 or (value.dim() >= 4 and math.prod(value.shape[-3:]) == 1)
            for value in constants
            if isinstance(value, Tensor)
        )


def _without_side_effect(node: fx.Node) -> Any:
    """The node's operation, or of one that works in place the one that does not."""
    target: Any = node.target
    if not isinstance(target, torch._ops.OpOverload) or not target._schema.is_mutable:
        return target
    packet = getattr(aten, _name(target).removesuffix("_"), None)
    if not _name(target).endswith("_") or packet is None or target._overloadname not in packet.overloads():
        raise Untraceable(f"{target} writes into its arguments")
    return getattr(packet, target._overloadname)


def _name(target: Any) -> str:
    return str(getattr(target, "_opname", ""))


def _node(argument: Any) -> fx.Node:
    if not isinstance(argument, fx.Node):
        raise Untraceable("it writes where it cannot be followed")
    return argument


def _attribute(graph: fx.GraphModule, path: str) -> Any:
    found: Any = graph
    for name in path.split("."):
        found = getattr(found, name)
    return found.detach() if isinstance(found, Tensor) else found
