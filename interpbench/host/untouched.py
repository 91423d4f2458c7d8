"""Restores a network, its input and the random state, also after an exception."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Restore = Callable[[], bool]  # puts back, and says whether what was found is what a map or figure may depend on

# What a submodule keeps, of which nothing may be another afterwards. Buffers may: some networks count in them.
_STRUCTURE = (
    "_parameters",
    "_modules",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@contextmanager
def untouched(module: nn.Module, *volumes: Tensor) -> Iterator[list[bool]]:
    """Restore network, volumes and random state at the end of the block.

    Put back are: every attribute of every submodule (training flags, hooks, replaced layers and methods),
    values, `requires_grad`, `grad` and hooks of parameters, buffers and volumes, whether gradients are
    recorded, and the random state of torch (CPU and CUDA), numpy and Python. The values are copied on
    entering, so the network is held twice in memory.

    Args:
        module: the network, usually `predictor.module`.
        volumes: what goes into it, usually `(B, 1, I, J, K)`.

    Yields:
        A list that afterwards holds one element if a volume, a weight, a layer or a hook had been left changed.
    """
    steps, changed = [_random_state(), _grad_mode(), remembered(module, *volumes)], list[bool]()
    try:
        yield changed
    finally:
        undone = [restore() for restore in reversed(steps)]  # all of them, whatever the first one says
        if any(undone):
            changed.append(True)


def remembered(module: nn.Module, *volumes: Tensor) -> Restore:
    """A function that restores network and volumes to their present state whenever it is called.

    It returns whether a volume, a weight, a layer or a hook was another than now.

    Where the same network is lent out many times, it is copied once.
    """
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers(), *volumes)}
    buffers = {id(tensor) for tensor in module.buffers()}
    steps = [
        *(_tensor(tensor, counts=key not in buffers) for key, tensor in tensors.items()),
        *(_attributes(part) for part in module.modules()),
    ]

    def restore() -> bool:
        undone = [step() for step in reversed(steps)]
        return any(undone)

    return restore


def _attributes(part: nn.Module) -> Restore:
    kind, found = type(part), dict(vars(part))
    contents = {name: value.copy() for name, value in found.items() if isinstance(value, dict | set)}

    def restore() -> bool:
        attributes = vars(part)
        changed = any(not _same(attributes.get(name), contents.get(name)) for name in _STRUCTURE)
        changed = changed or attributes.get("forward") is not found.get("forward")  # another pass through the network
        if type(part) is not kind:  # a parametrisation of weights gives a layer a class of its own
            part.__class__, changed = kind, True
        attributes.clear()
        attributes.update(found)
        # The same dictionary, emptied and refilled: hook handles hold a reference to it.
        for name, content in contents.items():
            attributes[name].clear()
            attributes[name].update(content)
        return changed

    return restore


def _same(now: Any, before: Any) -> bool:
    """Whether two dictionaries hold the same objects under the same names."""
    if not isinstance(now, dict) or not isinstance(before, dict):
        return now is before
    return now.keys() == before.keys() and all(now[name] is value for name, value in before.items())


def _tensor(tensor: Tensor, *, counts: bool) -> Restore:
    values, needs_gradient = tensor.detach().clone(), tensor.requires_grad
    gradient = tensor.grad if tensor.is_leaf else None
    gradient_values = None if gradient is None else gradient.detach().clone()
    hooks = {name: getattr(tensor, name) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")}
    contents = {name: dict(found or {}) for name, found in hooks.items()}

    def restore() -> bool:
        changed = False
        with torch.no_grad():
            if tensor.shape != values.shape or tensor.dtype != values.dtype or tensor.device != values.device:
                tensor.data, changed = values, True
            elif not torch.equal(tensor, values):
                tensor.copy_(values)
                changed = True
            if gradient is not None and gradient_values is not None:
                gradient.copy_(gradient_values)
        if tensor.is_leaf:
            tensor.requires_grad_(needs_gradient)
            tensor.grad = gradient
        for name, found in hooks.items():
            now = getattr(tensor, name)
            # Emptied and refilled in place: torch and the hooks' handles hold references to these dictionaries.
            if now is not None:
                now.clear()
            if found is not None:
                found.clear()
                found.update(contents[name])
            if now is not found:
                setattr(tensor, name, found)
        return changed and counts

    return restore


def _random_state() -> Restore:
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    # Asking an unused CUDA for its state would start it.
    cuda_states = torch.cuda.get_rng_state_all() if _cuda_runs() else []

    def restore() -> bool:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
        return False

    return restore


def random_state() -> tuple[object, ...]:
    """The state of the random numbers of torch (CPU and CUDA), numpy and Python, for comparisons."""
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if _cuda_runs() else [])]
    numpys = np.random.get_state(legacy=False)
    keys = numpys["state"]["key"].tolist()
    return [one.tolist() for one in states], keys, numpys["state"]["pos"], numpys["gauss"], random.getstate()


def _cuda_runs() -> bool:
    return bool(torch.cuda.is_initialized())


def _grad_mode() -> Restore:
    enabled = torch.is_grad_enabled()

    def restore() -> bool:
        torch.set_grad_enabled(enabled)
        return False

    return restore
