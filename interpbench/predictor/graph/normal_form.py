"""An exported graph in a form that is easy to follow: nothing writes in place, and what is constant is worked out."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

aten = torch.ops.aten

_DROPOUT = (aten.dropout.default, aten.feature_dropout.default, aten.alpha_dropout.default,
            aten.feature_alpha_dropout.default)  # fmt: skip
_DROPOUT_IN_PLACE = (aten.dropout_.default, aten.feature_dropout_.default, aten.alpha_dropout_.default,
                     aten.feature_alpha_dropout_.default)  # fmt: skip
_ANY_LAYOUT = {aten.view.default: aten.reshape.default, aten._unsafe_view.default: aten.reshape.default}
_ONLY_CHECKS = ("_assert", "sym_constrain_range")


class UnreadableNetwork(Exception):
    """A network that cannot be written down as a graph; the message gives the reason in one line."""


def normal_form(exported: fx.GraphModule) -> fx.GraphModule:
    """Return a graph that says the same, of operations that change none of their arguments.

    Dropout that is switched off, checks, and values that do not depend on the volumes are gone.

    Raises:
        UnreadableNetwork: a value is written in place that has another name or is constant, or a value is random.
    """
    return _NormalForm(exported).result()


class _NormalForm:
    """Goes through an exported graph once and writes another one."""

    def __init__(self, exported: fx.GraphModule) -> None:
        self.exported, self.graph = exported, fx.Graph()
        self.now: dict[fx.Node, Any] = {}  # what a node stands for by now: a node of the new graph, or a constant
        self.sharing: set[fx.Node] = set()  # nodes of the new graph that share memory with another
        self.held: dict[str, Any] = {}  # the new graph's constants
        self.nodes: dict[int, fx.Node] = {}  # of each constant, by its identity

    def result(self) -> fx.GraphModule:
        for node in self.exported.graph.nodes:
            if node.op == "placeholder":
                self.now[node] = self.graph.node_copy(node)
            elif node.op == "get_attr":
                self.now[node] = _Constant(_attribute(self.exported, str(node.target)))
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                self.graph.output(self._arguments(node.args[0]))
            else:
                raise UnreadableNetwork(f"its trace has a {node.op}, {node.target}")
        self.graph.set_codegen(self.exported.graph._codegen)
        self.graph.eliminate_dead_code()
        self.graph.lint()
        return fx.GraphModule(_holding(self.held), self.graph)

    def _call(self, node: fx.Node) -> None:
        target: Any = node.target
        if _name(target).startswith(_ONLY_CHECKS) and not node.users:
            return
        if target in (*_DROPOUT, *_DROPOUT_IN_PLACE) and not node.args[2]:
            self.now[node] = self.now[_node(node.args[0])]
            return
        if target is aten.as_strided.default:
            raise UnreadableNetwork("it depends on how values lie in memory")
        if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
            raise UnreadableNetwork(f"{_name(target)} gives other values each time")
        if all(isinstance(self.now[one], _Constant) for one in node.all_input_nodes) and not _writes(target):
            self.now[node] = _Constant(target(*self._constants(node.args), **self._constants(node.kwargs)))
            return
        made = self.graph.create_node(
            "call_function", _ANY_LAYOUT.get(target, _without_writing(target)),
            self._arguments(node.args), self._arguments(node.kwargs), name=node.name,
        )  # fmt: skip
        made.meta = {"val": node.meta.get("val")}
        self.now[node] = made
        if _writes(target):
            self._written(_node(node.args[0]), target, made)
        elif target is operator.getitem and self.sharing.issuperset(made.all_input_nodes):
            self.sharing.add(made)
        elif any(one.alias_info is not None for one in getattr(getattr(target, "_schema", None), "returns", ())):
            self.sharing |= {made, *made.all_input_nodes}

    def _written(self, node: fx.Node, target: Any, made: fx.Node) -> None:
        """Let every alias of a written value stand for the operation's result from here on.

        Raises:
            UnreadableNetwork: other values share its memory: they change too, and a graph cannot tell how.
        """
        before = self.now[node]
        if isinstance(before, _Constant) or before in self.sharing:
            raise UnreadableNetwork(f"{target} writes into memory that other values share")
        for other, value in self.now.items():
            if value is before:
                self.now[other] = made

    def _arguments(self, arguments: Any) -> Any:
        """The arguments of a node, in terms of the new graph."""
        return fx.map_arg(arguments, lambda node: self._given(self.now[node]))

    def _given(self, value: Any) -> Any:
        if not isinstance(value, _Constant):
            return value
        return fx.node.map_aggregate(value.value, self._constant_node)

    def _constant_node(self, value: Any) -> Any:
        """A node for a constant that is a tensor or a graph of its own; other constants stand for themselves."""
        if not isinstance(value, Tensor | nn.Module):
            return value
        if isinstance(value, fx.GraphModule) and any(_writes(node.target) for node in value.graph.nodes):
            raise UnreadableNetwork("a part of it that is traced by itself writes in place")
        if id(value) not in self.nodes:
            name = f"constant_{len(self.held)}"
            self.held[name] = value
            self.nodes[id(value)] = self.graph.create_node("get_attr", name)
        return self.nodes[id(value)]

    def _constants(self, arguments: Any) -> Any:
        return fx.map_arg(arguments, lambda node: self.now[node].value)


class _Constant:
    """A value that does not depend on the volumes."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _without_writing(target: Any) -> Any:
    """The operation, or of one that works in place the one that does not."""
    if not _writes(target):
        return target
    packet = getattr(aten, _name(target).removesuffix("_"), None)
    if not _name(target).endswith("_") or packet is None or target._overloadname not in packet.overloads():
        raise UnreadableNetwork(f"{target} writes into its arguments")
    return getattr(packet, target._overloadname)


def _writes(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and bool(target._schema.is_mutable)


def _name(target: Any) -> str:
    return str(getattr(target, "_opname", ""))


def _node(argument: Any) -> fx.Node:
    if not isinstance(argument, fx.Node):
        raise UnreadableNetwork("it writes where it cannot be followed")
    return argument


def _attribute(graph: fx.GraphModule, path: str) -> Any:
    found = operator.attrgetter(path)(graph)
    return found.detach() if isinstance(found, Tensor) else found


def _holding(constants: dict[str, Any]) -> nn.Module:
    """A module with these tensors as buffers, these modules as parts."""
    found = nn.Module()
    for name, value in constants.items():
        if isinstance(value, Tensor):
            found.register_buffer(name, value)
        else:
            found.add_module(name, value)
    return found
