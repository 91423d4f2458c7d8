"""Weights from a file into a network: nothing is executed, nothing is skipped silently."""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interpbench.errors import InputError

log = logging.getLogger("interpbench")

# What wrappers put before every name (DataParallel, Lightning, and habit).
PREFIXES = ("module.", "model.", "net.")
# Where checkpoints keep the state dict among other things.
_NESTS = ("state_dict", "model_state_dict", "model", "network", "net")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file or a torch state dict (`weights_only=True`, always).

    Raises:
        InputError: no such file, damaged, or something other than named tensors.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such weights file.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how the file was pickled
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a state dict that can be read without running code"
            f" ({_first_line(error)}). Save it with torch.save(network.state_dict(), path) or as safetensors."
        ) from error
    return _state_dict_in(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({_first_line(error)}).") from error


def _state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            log.info("%s: taking the weights under %r", path.name, nest)
            content = content[nest]
            break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path}: holds {type(content).__name__}, not a state dict (names and tensors).")
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {name!r} is {type(value).__name__}, not a tensor.")
    return dict(content)


def strip_prefix(state: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Take a wrapper's prefix off every name where the network itself does not have it, and say so."""
    wanted = set(module.state_dict())
    stripped = dict(state)
    while not wanted & set(stripped):
        found = [prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in stripped)]
        if not found or not stripped:
            break
        log.warning("The prefix %r was taken off all %d weight names.", found[0], len(stripped))
        stripped = {name.removeprefix(found[0]): tensor for name, tensor in stripped.items()}
    return stripped


def load_weights(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Put every tensor of `state` into `module`; every name and shape must fit.

    Raises:
        InputError: a name too many or too few, another shape, a weight that is not finite.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    extra = [name for name in state if name not in own]
    if missing or extra:
        parts = [f"{_some(missing)} missing"] * bool(missing) + [f"{_some(extra)} not in the network"] * bool(extra)
        raise InputError(f"{source}: the weights are of another architecture: {'; '.join(parts)}.")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise InputError(
                f"{source}: the weights are of another architecture: {name} is {tuple(state[name].shape)} in the file"
                f" and {tuple(tensor.shape)} in the network."
            )
    for name, tensor in state.items():
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            raise InputError(f"{source}: {bad} of {tensor.numel()} weights in {name} are NaN or infinite.")
    module.load_state_dict(dict(state), strict=True)


def _some(names: list[str], limit: int = 3) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
