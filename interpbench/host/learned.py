"""Checks what an explainer's `fit` returned, before it is stored on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interpbench.contract.interfaces import Explainer
from interpbench.errors import PluginError
from interpbench.files.atomic import plain
from interpbench.host.foreign import asking


@dataclass(frozen=True, eq=False)
class Learned:
    """The state and the record of a fit, to be stored."""

    state: Mapping[str, Tensor]
    record: Mapping[str, Any]


def learned_by(fitted: object, method: str) -> Learned:
    """The state and record of a fitted explainer.

    Raises:
        PluginError: it is no explainer, what it learned is no named finite tensors, or its record no JSON.
    """
    who = f"method {method!r}"
    if not isinstance(fitted, Explainer):
        raise PluginError(f"{who} must return a fitted explainer from `fit`, got {type(fitted).__name__}.")
    state: dict[str, Tensor] = {}
    with asking(who, what="failed to return what it learned"):
        found = dict(fitted.state())
        record = dict(plain(fitted.record))
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor):
            raise PluginError(f"{who} must return tensors as its state, but {name!r} is {type(tensor).__name__}.")
        if tensor.layout is not torch.strided:
            raise PluginError(f"{who} must return dense tensors as its state, but {name!r} is sparse.")
        if (tensor.is_floating_point() or tensor.is_complex()) and not bool(torch.isfinite(tensor).all()):
            raise PluginError(f"{who} learned non-finite values, in {name}.")
        state[str(name)] = tensor.detach().cpu().contiguous().clone()
    return Learned(state, record)
