"""What an explainer's `fit` returned is checked, before it is kept on disk."""

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
    """What a fit hands over to be kept."""

    state: Mapping[str, Tensor]
    record: Mapping[str, Any]


def learned_by(fitted: object, method: str) -> Learned:
    """What an explainer learned, as its `fit` returned it.

    Raises:
        PluginError: it is no explainer, what it learned is no named finite tensors, or its record no JSON.
    """
    who = f"method {method!r}"
    if not isinstance(fitted, Explainer):
        raise PluginError(f"{who} must return a fitted explainer from `fit`, got {type(fitted).__name__}.")
    state: dict[str, Tensor] = {}
    with asking(who, what="cannot say what it learned"):
        found = dict(fitted.state())
        record = dict(plain(fitted.record))
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor):
            raise PluginError(f"{who} must learn tensors, {name!r} is {type(tensor).__name__}.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise PluginError(f"{who} learned values that are no numbers, in {name}.")
        state[str(name)] = tensor.detach().cpu().contiguous().clone()
    return Learned(state, record)
