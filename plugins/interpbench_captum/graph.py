"""The operations between a network's parts and its prediction, from autograd's graph without activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from interpbench import Predictor


def seen(predictor: Predictor, volume: Tensor, watch: Callable[[nn.Module, Tensor], None]) -> Tensor:
    """The prediction of a copy of one volume `(1, 1, I, J, K)`, with its graph; a callback gets every layer's tensor.

    Args:
        watch: is given each module of the network, and the tensor that it returned, while they run.
    """
    handles = [
        part.register_forward_hook(lambda part, _, output: watch(part, output) if isinstance(output, Tensor) else None)
        for part in predictor.module.modules()
    ]
    try:
        with torch.enable_grad(), _without_activations():
            return predictor.predict(volume.detach().clone().requires_grad_(True))
    finally:
        for handle in handles:
            handle.remove()


def nodes_behind(node: Any) -> list[Any]:
    """Every node of the graph that `node` depends on, including itself."""
    found: dict[Any, None] = {}
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found[one] = None
            waiting += [before for before, _ in one.next_functions]
    return list(found)


def nodes_between(start: Any, end: Any) -> list[Any]:
    """The nodes on the paths from `start` to `end`, without `start`; empty if `end` does not depend on it."""
    reached = {start}
    order = nodes_behind(end)
    if start not in order:
        return []
    after: dict[Any, list[Any]] = {}
    for one in order:
        for before, _ in one.next_functions:
            after.setdefault(before, []).append(one)
    waiting = [start]
    while waiting:
        for one in after.get(waiting.pop(), ()):
            if one not in reached:
                reached.add(one)
                waiting.append(one)
    return [one for one in order if one in reached and one is not start]


def step_of(node: Any) -> str:
    """The name of a node in autograd, without `Backward0` and the like."""
    return str(node.name()).rpartition("::")[2].partition("Backward")[0]


@contextmanager
def _without_activations() -> Iterator[None]:
    """Shapes are enough for who only looks, and memory stays that of a forward pass."""
    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: tuple(saved.shape), lambda shape: torch.empty(shape, device="meta")
    ):
        yield
