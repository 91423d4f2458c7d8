"""The state that a plugin must not change: recorded before, compared after."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor


class Snapshot:
    """The state of a predictor, of volumes (or maps) and of everything random, at one moment.

    It is compared by another way than `interpbench.host.untouched` restores by, so that each can prove the other.
    """

    def __init__(self, predictor: Predictor | None, *tensors: Tensor, **named: Tensor) -> None:
        self.predictor = predictor
        self.tensors = {f"input {index}": tensor for index, tensor in enumerate(tensors)}
        self.tensors |= {repr(name): tensor for name, tensor in named.items()}
        self.found = self._look()

    def changes(self) -> list[str]:
        """The changes since the snapshot, in words; empty without a change."""
        now = self._look()
        return sorted(name for name in self.found.keys() | now.keys() if self.found.get(name) != now.get(name))

    def _look(self) -> dict[str, Any]:
        seen: dict[str, Any] = {
            "random state of torch": _digest(torch.get_rng_state()),
            "random state of numpy": _numpy_state(),
            "random state of Python": random.getstate(),
            "whether torch records gradients": torch.is_grad_enabled(),
        }
        for label, tensor in self.tensors.items():
            seen |= _look_at(label, tensor)
        if self.predictor is None:
            return seen
        seen["fingerprint of the predictor"] = self.predictor.fingerprint
        for name, module in self.predictor.module.named_modules():
            label = f"of module {name!r}"
            seen[f"training flag {label}"] = module.training
            seen[f"class {label}"] = type(module)
            seen[f"replaced methods {label}"] = {key for key, value in vars(module).items() if callable(value)}
            seen[f"hooks {label}"] = {
                (kind, key) for kind, hooks in vars(module).items() if "hooks" in kind and hooks for key in hooks
            }
        for name, parameter in self.predictor.module.named_parameters():
            seen |= _look_at(f"parameter {name!r}", parameter)
        return seen


def _look_at(label: str, tensor: Tensor) -> dict[str, Any]:
    hooks = tensor._backward_hooks or {}
    return {
        f"values of {label}": _digest(tensor),
        f"whether {label} requires a gradient": tensor.requires_grad,
        f"gradient of {label}": None if tensor.grad is None else _digest(tensor.grad),
        f"hooks of {label}": set(hooks),
    }


def _numpy_state() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return (kind, np.asarray(keys).tobytes(), *rest)


def _digest(tensor: Tensor) -> str:
    values = tensor.detach().cpu().contiguous()
    return f"{tuple(values.shape)} {values.dtype} {hashlib.sha256(values.numpy().tobytes()).hexdigest()}"
