"""Checks of everything that plugins return."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from interpbench.doubts import FLAT, Doubt
from interpbench.errors import PluginError

MAP = "importance"  # what a map's file is named after, so that no other's may be


def checked_maps(maps: object, volumes: Tensor, method: str) -> Tensor:
    """Refuse maps that break the contract of `Explainer`.

    Args:
        maps: what `explain` returned.
        volumes: what it was given, `(B, 1, I, J, K)`.

    Returns:
        The maps `(B, I, J, K)`, free of any gradient.

    Raises:
        PluginError: no tensor, or another shape, type, device, or not finite.
    """
    return _checked(maps, volumes, f"method {method!r} must return")


def checked_extras(extras: object, volumes: Tensor, method: str) -> dict[str, Tensor]:
    """Refuse extra maps of `explain_with_extras` that break the contract of `Explainer`.

    Returns:
        The named maps `(B, I, J, K)`, free of any gradient.

    Raises:
        PluginError: no mapping, a name that is not letters and digits, or as `checked_maps`.
    """
    who = f"method {method!r} must return"
    if not isinstance(extras, Mapping):
        raise PluginError(f"{who} extras by name, got {type(extras).__name__}.")
    for name in extras:
        if not re.fullmatch(r"[A-Za-z0-9]{1,50}", str(name)) or str(name).lower() == MAP:
            raise PluginError(f"{who} extras named by letters and digits, and not {MAP!r}, got {name!r}.")
    return {str(name): _checked(values, volumes, f"{who} as its extra {name!r}") for name, values in extras.items()}


def _checked(maps: object, volumes: Tensor, who: str) -> Tensor:
    if not isinstance(maps, Tensor):
        raise PluginError(f"{who} a tensor, got {type(maps).__name__}.")
    wanted = (volumes.shape[0], *volumes.shape[2:])
    if tuple(maps.shape) != wanted:
        raise PluginError(f"{who} maps of shape {wanted}, got {tuple(maps.shape)}.")
    if maps.dtype != torch.float32:
        raise PluginError(f"{who} float32, got {str(maps.dtype).removeprefix('torch.')}.")
    if maps.device != volumes.device:
        raise PluginError(f"{who} maps on the device of the volumes, {volumes.device}, got {maps.device}.")
    bad = int((~torch.isfinite(maps)).sum())
    if bad:
        raise PluginError(f"{who} finite values, {bad} of {maps.numel()} are NaN or infinite.")
    return maps.detach()


def doubts_about(map: Tensor) -> list[Doubt]:
    """Warnings about a map `(I, J, K)` without information."""
    lowest, highest = float(map.min()), float(map.max())
    words = f"the map is {highest:g} everywhere: it has no information about this subject"
    return [Doubt(words, FLAT)] if lowest == highest else []


def checked_population(results: object, shape: tuple[int, int, int], aggregator: str) -> dict[str, Tensor]:
    """Refuse results that break the contract of `Aggregator`.

    Args:
        results: what `result` returned; tensors, or arrays.
        shape: `(I, J, K)` that each must have.

    Returns:
        The named maps, float32.

    Raises:
        PluginError: no mapping, empty, a name that is no file name, another shape, or not finite.
    """
    who = f"aggregator {aggregator!r} must return"
    if not isinstance(results, Mapping) or not results:
        raise PluginError(f"{who} at least one named map, got {type(results).__name__}.")
    found = {}
    for name, values in results.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", str(name)) or name in ("background", "brain"):
            raise PluginError(f"{who} maps named by letters, digits, _ and -, got {name!r}.")
        if not isinstance(values, Tensor | np.ndarray):
            raise PluginError(f"{who} tensors, {name!r} is {type(values).__name__}.")
        map = torch.as_tensor(values).detach().cpu().float()
        if tuple(map.shape) != shape:
            raise PluginError(f"{who} maps of shape {shape}, {name!r} is {tuple(map.shape)}.")
        if not bool(torch.isfinite(map).all()):
            raise PluginError(f"{who} finite maps, {name!r} holds NaN or infinity.")
        found[str(name)] = map
    return found
