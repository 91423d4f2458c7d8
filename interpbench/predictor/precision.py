"""In which precision convolutions run: float32, or bfloat16 where that is right."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

PRECISIONS: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

# On a CPU, torch 2.13 returns arbitrary weight gradients, infinite ones among them, from a bfloat16 conv3d whose
# volume has an edge of 1 or 2 voxels: uninitialised memory. The last stages of a network have such volumes.
SMALLEST_EDGE = 4  # voxels


def fastest_precision() -> str:
    """`bfloat16` where a GPU or this processor computes in it; elsewhere it is many times slower than `float32`."""
    fast = torch.cuda.is_available() or bfloat16_by_onednn()
    return "bfloat16" if fast else "float32"


@functools.cache
def bfloat16_by_onednn() -> bool:
    """Whether oneDNN convolves in bfloat16 on this processor; elsewhere torch does it, without its help."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def arithmetic(device: torch.device | str, precision: str = "float32") -> Iterator[None]:
    """Run the networks inside in float32, or under autocast in bfloat16.

    Convolutions that learn stay in float32 on a CPU for volumes with an edge of `SMALLEST_EDGE` voxels or fewer; they
    cost little. Frozen ones do not: only gradients by weights are wrong there.
    """
    if precision == "float32":
        yield
        return
    kind = torch.device(device).type
    with torch.autocast(kind, PRECISIONS[precision]):
        if kind != "cpu":
            yield
            return
        with _SmallVolumesInFloat32():
            yield


class _SmallVolumesInFloat32(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in (torch.conv3d, torch.conv_transpose3d) or not _learns_on_little(args, kwargs):
            return func(*args, **kwargs)
        exact = [one.float() if isinstance(one, torch.Tensor) else one for one in args]
        with torch.autocast("cpu", enabled=False):
            return func(*exact, **{name: _float(value) for name, value in kwargs.items()})


def _learns_on_little(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    names = ("input", "weight")
    volumes, weight = (args[place] if place < len(args) else kwargs[name] for place, name in enumerate(names))
    return bool(weight.requires_grad) and min(volumes.shape[2:]) <= SMALLEST_EDGE


def _float(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) else value
