"""What a network's answers depend on, in a short value: a graph that was read is used again while this is the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interpbench.predictor.passes import Passes

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def state_of(module: nn.Module, volumes: Tensor) -> tuple[Any, ...]:
    """Return the state of a network for such volumes: its layers, its hooks, and sums over its weights.

    Args:
        volumes: `(B, 1, I, J, K)`; their edges, type and device count.
    """
    parts = tuple((id(part), part.training, *_hooks(part)) for part in module.modules())
    tensors = [*module.parameters(), *module.buffers()]
    with torch.no_grad():
        sums = tuple((id(one), one.dtype, _weighted_sum(one.double().flatten())) for one in tensors)
    return tuple(volumes.shape[1:]), volumes.dtype, str(volumes.device), parts, sums


def _hooks(part: nn.Module) -> list[str]:
    """The names of a module's hooks, without those that only count passes."""
    hooks = [hook for name in _HOOKS for hook in getattr(part, name).values() if not isinstance(hook, Passes)]
    return [str(getattr(hook, "__qualname__", type(hook).__qualname__)) for hook in hooks]


def _weighted_sum(values: Tensor) -> float:
    """Return a sum that also changes where values change places."""
    return float(values @ torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device))
