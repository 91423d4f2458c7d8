"""Loads weights from a file into a network, without executing code or skipping anything silently."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from interpbench.errors import InputError, message_of
from interpbench.files.file_kinds import HEAD, file_kind, is_archive, is_old_torch, is_safetensors
from interpbench.predictor.state_dicts import some_names, state_dict_in
from interpbench.predictor.torch_file import load_torch_file
from interpbench.predictor.weight_names import COUNTER, STATISTICS

log = logging.getLogger("interpbench")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file or a torch state dict (`weights_only=True`, always).

    A torch file's checksums are compared. A safetensors file has none: of a model folder, `model.json` has its SHA-256.

    Raises:
        InputError: no such file, damaged, or something other than named tensors.
    """
    if not path.is_file():
        folder = ", it is a folder" if path.is_dir() else ""
        raise InputError(f"{path}: no such weights file{folder}.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if path.suffix == ".safetensors" and (is_old_torch(head) or (is_archive(head) and not file_kind(path)[0])):
            raise InputError(f"{path}: is not a safetensors file but a torch.save file: rename it to .pt.")
        if path.suffix == ".safetensors" or is_safetensors(head):
            return _read_safetensors(path)
        return state_dict_in(load_torch_file(path), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or message_of(error)}).") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of a damaged header, the library raises whatever comes of it
        kind, _ = file_kind(path)
        why = kind if kind and "safetensors" not in kind else message_of(error)[:200]
        raise InputError(f"{path}: is not a readable safetensors file ({why}).") from error


def load_weights(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Put every tensor of `state` into `module`; every name and shape must fit.

    A batch norm's count of batches may be missing, and a weight that the network holds under two names may be there
    under one. Numbers of another type are converted to the network's, and it is said.

    Raises:
        InputError: a name too many or too few, another shape or kind, a weight that is not finite.
    """
    own = _own(module, source)
    filled = {**_harmless(own, state), **state}
    if all(name in filled for name in own):
        absent = [name for name in own if name not in state]
        if absent:
            log.info("%s: has no %s, which do not change predictions", source, some_names(absent))
        state = filled
    missing = [name for name in own if name not in state]
    extra = [name for name in state if name not in own]
    if missing and not extra and all(name.rpartition(".")[2] in (*STATISTICS, COUNTER) for name in missing):
        raise InputError(
            f"{source}: its batch norm has no running statistics: {some_names(missing)} missing."
            " Save network.state_dict(),"
            " not only its parameters."
        )
    if missing or extra:
        parts = [f"{some_names(missing)} missing"] * bool(missing) + [f"{some_names(extra)} not in the network"] * bool(
            extra
        )
        raise InputError(f"{source}: the weights are of another architecture: {'; '.join(parts)}.")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise InputError(
                f"{source}: the weights are of another architecture: {name} is {tuple(state[name].shape)} in the file"
                f" and {tuple(tensor.shape)} in the network."
            )
    fitting = {name: _converted(name, state[name], tensor, source) for name, tensor in own.items()}
    for name, tensor in fitting.items():
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            raise InputError(f"{source}: {bad} of {tensor.numel()} weights in {name} are NaN or infinite.")
    types = {_word(state[name]) for name, tensor in own.items() if state[name].dtype != tensor.dtype}
    if types:
        log.warning("%s: weights of type %s were converted to the network's own", source, ", ".join(sorted(types)))
    module.load_state_dict(fitting, strict=True)


def _own(module: nn.Module, source: str | Path) -> dict[str, Tensor]:
    """The network's tensors by name.

    Raises:
        InputError: there is something in the network that no file of weights can fill.
    """
    own: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if not isinstance(tensor, Tensor) or is_lazy(tensor) or tensor.is_meta:
            what = "a size that only its first input decides" if isinstance(tensor, Tensor) else "no tensor"
            raise InputError(f"{source}: weights cannot be loaded into the network: {name} has {what}.")
        own[name] = tensor
    return own


def _harmless(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors for names that a file may lack: they do not change predictions, or exist under another name."""
    found: dict[str, Tensor] = {}
    for name, tensor in own.items():
        if name in state:
            continue
        twin = next((one for one in state if one in own and _is_one(tensor, own[one])), None)
        if twin is not None:
            found[name] = state[twin]
        elif name.rpartition(".")[2] == COUNTER:
            found[name] = tensor
    return found


def _is_one(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors of a network are the same one under two names."""
    same = first.data_ptr() == second.data_ptr() and first.shape == second.shape and first.stride() == second.stride()
    return same and first.numel() > 0


def _converted(name: str, tensor: Tensor, wanted: Tensor, source: str | Path) -> Tensor:
    """A tensor of the file in the network's type.

    Raises:
        InputError: its numbers are of another kind, so that something would be lost, or it holds none.
    """
    if name.rpartition(".")[2] == COUNTER:
        return tensor.detach().to(wanted.dtype)
    odd = tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta
    kinds = [(one.dtype.is_floating_point, one.dtype.is_complex, one.dtype is torch.bool) for one in (tensor, wanted)]
    if odd or kinds[0] != kinds[1]:
        kind = "without numbers" if tensor.is_meta else "quantised" if tensor.is_quantized else _word(tensor)
        raise InputError(f"{source}: {name} is {kind} in the file and {_word(wanted)} in the network.")
    found = tensor.detach().to(wanted.dtype)
    whole = not wanted.dtype.is_floating_point
    if whole and found.dtype != tensor.dtype and not torch.equal(found.to(tensor.dtype), tensor):
        raise InputError(f"{source}: {name} has numbers outside the range of {_word(wanted)}, the network's type.")
    return found


def _word(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return kind if tensor.layout is torch.strided else f"sparse {kind}"
