"""How many volumes go through a network, and how many gradients back: counted by a hook on its module.

A network's graph (`forward_only.py`) fires no hooks; it reports its passes by `add_forward` instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn


@dataclass(eq=False)
class Passes:
    """A forward hook that counts. Copies of the network count into the same."""

    forward: int = 0  # volumes
    backward: int = 0  # volumes

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        result = _first_tensor(output)
        if result is None or type(result.shape[0]) is not int:  # a tracer's: no volume goes through
            return
        volumes = int(result.shape[0])
        self.forward += volumes
        if result.requires_grad:
            # On the tensor: a module with backward hooks could no longer be traced.
            result.register_hook(lambda _: self._add_backward(volumes))

    def _add_backward(self, volumes: int) -> None:
        self.backward += volumes

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@contextmanager
def counted_passes(module: nn.Module) -> Iterator[Passes]:
    """Count what goes whole through `module`, usually `predictor.module`, as long as this lasts."""
    passes = Passes()
    handle = module.register_forward_hook(passes)
    try:
        yield passes
    finally:
        handle.remove()


def add_forward(module: nn.Module, volumes: int) -> None:
    """Report to the counter of passes of `module` that `volumes` went through a frozen copy of it."""
    for hook in module._forward_hooks.values():
        if isinstance(hook, Passes):
            hook.forward += volumes


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, list | tuple):
        return next((part for part in output if isinstance(part, Tensor)), None)
    return None
