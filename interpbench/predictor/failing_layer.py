"""Finds the layer of a network that fails on a volume, and what is wrong with its input."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from interpbench.host.untouched import untouched

_FLAT = re.compile(r"[a-z]([12])d$")
_WORDS = {"1": "1D signals", "2": "2D images"}
_CHANNELS = ("in_channels", "num_features", "num_channels")  # as torch's layers call what they take


def failing_layer(module: nn.Module, volume: Tensor) -> str:
    """What is wrong with the layer that fails; empty if none fails, or if its shapes do not show it.

    Args:
        volume: `(1, 1, I, J, K)`, on which the network fails.

    Returns:
        Words such as `its layer 'fc' takes 2816 numbers and gets 3564 from a volume of 35x44x35: ...`.
    """
    found = _failing(module, volume)
    return _why(*found, "x".join(str(edge) for edge in volume.shape[2:])) if found else ""


def _failing(module: nn.Module, volume: Tensor) -> tuple[str, nn.Module, tuple[int, ...]] | None:
    """The innermost layer that runs when the network fails, and the shape of its input."""
    names = {part: name for name, part in module.named_modules()}
    inside: list[tuple[nn.Module, tuple[int, ...]]] = []
    hooks: list[RemovableHandle] = []

    def enter(part: nn.Module, given: tuple[Any, ...]) -> None:
        inside.append((part, tuple(given[0].shape) if given and isinstance(given[0], Tensor) else ()))

    def leave(_part: nn.Module, _given: object, _made: object) -> None:
        if inside:
            inside.pop()

    try:
        for part in names:
            with contextlib.suppress(RuntimeError):  # a scripted one has no hooks
                hooks += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
        with untouched(module, volume), torch.no_grad():
            module(volume)
    except Exception:  # another's code: it fails, as it did before
        return (names[inside[-1][0]], *inside[-1]) if inside else None
    finally:
        for hook in hooks:
            hook.remove()
    return None


def _why(name: str, part: nn.Module, given: tuple[int, ...], volume: str) -> str:
    layer = f"its layer {name!r}"
    wants = getattr(part, "in_features", None)
    if isinstance(wants, int) and given and given[-1] != wants:
        takes = f"{layer} expects {wants} numbers and gets {given[-1]} from a volume of {volume}"
        return f"{takes}: give the --shape that the network was trained with"
    flat = next((found[1] for kind in type(part).__mro__ if (found := _FLAT.search(kind.__name__))), None)
    if flat and len(given) == 5:
        return f"{layer} is for {_WORDS[flat]} ({type(part).__name__}), but it gets a volume"
    wants = next((getattr(part, one) for one in _CHANNELS if isinstance(getattr(part, one, None), int)), None)
    if wants is not None and len(given) > 1 and given[1] != wants:
        return f"{layer} expects {wants} {'channel' if wants == 1 else 'channels'} and gets {given[1]}"
    edges = getattr(part, "normalized_shape", None)
    if isinstance(edges, tuple) and given[-len(edges) :] != edges:
        shapes = ["x".join(map(str, one)) for one in (edges, given[-len(edges) :])]
        takes = f"{layer} expects {shapes[0]} numbers and gets {shapes[1]} from a volume of {volume}"
        return f"{takes}: give the --shape that the network was trained with"
    return ""
