"""Convolutions with constant weights, of whole volumes and of parts of them.

In channels last, oneDNN (in torch 2.13) has three faults, which `Convolution` goes around:

- with one input channel, stride 1 along J and a larger one along K, an output one voxel wide along K is not written:
  whatever the memory held before is returned. Where one place comes out, the stride does not matter: it is set to 1;
- with a kernel edge of 1 along K and a dilation above 1, it reads beyond the volume, and may end the process. Where the
  kernel's edge is 1, the dilation does not matter: it is set to 1;
- in bfloat16, on processors that multiply it but have no matrix units (AVX512_BF16 without AMX), with one input channel
  a group and a volume one voxel thick along I, outputs are not written, or wrongly. Such volumes are convolved in
  float32.

`tests/plugins/occlusion/test_occlusion_convolution_fuzz.py` looks for further ones, in memory that was filled before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from types import EllipsisType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench_occlusion.windows import Three, Window, three

CHANNELS_LAST = torch.channels_last_3d
_DEFAULTS = (("stride", 1), ("padding", 0), ("dilation", 1))


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with constant weights, `(B, C, I, J, K)` in and out.

    On a CPU oneDNN is called for volumes of any size, where torch leaves small ones to code of its own, three times as
    slow. Whole volumes come and go in torch's own layout, the quicker one for several volumes of many channels; parts,
    one at a time, in channels last, with the weights in the order that oneDNN wants.
    """

    weight: Tensor
    bias: Tensor | None
    stride: Three
    padding: Three
    dilation: Three
    groups: int
    rectified: bool = False  # what is below 0 becomes 0

    def __post_init__(self) -> None:
        kernel = three(self.weight.shape[2:])
        first, second, third = (1 if edge == 1 else step for edge, step in zip(kernel, self.dilation, strict=True))
        object.__setattr__(self, "dilation", (first, second, third))

    def __call__(self, volumes: Tensor) -> Tensor:
        volumes = volumes.to(self.weight.dtype)
        if not self._by_onednn:
            return self._by_torch(volumes, self.padding)
        if self._only_in_float32(volumes):
            return self._in_float32(volumes).to(self.weight.dtype)
        stride, cut = self._stride_for(volumes, self.padding)
        made = torch.mkldnn_convolution(
            volumes, self.weight, self.bias, self.padding, stride, self.dilation, self.groups
        )[cut]
        return made.relu_() if self.rectified else made

    def of_part(self, part: Tensor, padding: Three) -> Tensor:
        """Its output for a part that is padded already, but for what is left to be padded along each axis."""
        part = part.to(self.weight.dtype)
        if not self._by_onednn:
            return self._by_torch(part, padding)
        if self._only_in_float32(part):
            return self._in_float32.of_part(part, padding).to(self.weight.dtype)
        stride, cut = self._stride_for(part, padding)
        given = padding, stride, self.dilation, self.groups
        part = part.contiguous(memory_format=CHANNELS_LAST)
        after = "relu" if self.rectified else "none"
        made = torch.ops.mkldnn._convolution_pointwise(part, self._packed, self.bias, *given, after, [], "")
        return torch.as_tensor(made)[cut].contiguous(memory_format=CHANNELS_LAST)

    def _stride_for(self, volumes: Tensor, padding: Three) -> tuple[Three, tuple[EllipsisType | slice, ...]]:
        """The stride that is asked of oneDNN, and which of the places that come out count; see above."""
        edge = volumes.shape[-1] + 2 * padding[2] - self.dilation[2] * (self.weight.shape[-1] - 1)
        if volumes.shape[1] > 1 or self.stride[2] == 1 or edge > self.stride[2]:
            return self.stride, ()
        return (*self.stride[:2], 1), (..., slice(0, 1))

    def _only_in_float32(self, volumes: Tensor) -> bool:
        """Whether oneDNN gets these volumes wrong in the convolution's own precision; see above."""
        return self.weight.dtype == torch.bfloat16 and self.weight.shape[1] == 1 and volumes.shape[2] == 1

    @cached_property
    def _in_float32(self) -> Convolution:
        return self.to(torch.float32)

    def _by_torch(self, volumes: Tensor, padding: Three) -> Tensor:
        made = F.conv3d(volumes, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return made.relu_() if self.rectified else made

    @property
    def _by_onednn(self) -> bool:
        return self.weight.dtype in (torch.float32, torch.bfloat16) and layout(self.weight.device) == CHANNELS_LAST

    @cached_property
    def _packed(self) -> Tensor:
        given = (0, 0, 0), self.stride, self.dilation, self.groups
        return torch.as_tensor(torch.ops.mkldnn._reorder_convolution_weight(self.weight, *given))

    @property
    def operations(self) -> int:
        """Multiplications and additions for each number that comes out."""
        return 2 * self.weight.numel() // self.weight.shape[0]

    @property
    def window(self) -> Window:
        kernel = three(self.weight.shape[2:])
        return Window(kernel, self.stride, self.padding, self.dilation)

    def to(self, precision: torch.dtype) -> Convolution:
        """With its weights in this precision, to which its inputs are brought as well."""
        bias = None if self.bias is None else self.bias.to(precision)
        return replace(self, weight=self.weight.to(precision), bias=bias)


def layout(device: torch.device) -> torch.memory_format:
    """In which parts of volumes are quickest: channels last where oneDNN convolves, else torch's own."""
    by_onednn = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return CHANNELS_LAST if by_onednn else torch.contiguous_format


def convolution(given: dict[str, Any]) -> Convolution | None:
    """`aten.conv3d` by its arguments; None where it is not one of constant weights and padding in voxels."""
    weight, bias = given["weight"], given.get("bias")
    if not isinstance(weight, Tensor) or weight.dim() != 5 or isinstance(given.get("padding"), str):
        return None
    stride, padding, dilation = (three(given.get(name, default)) for name, default in _DEFAULTS)
    return Convolution(weight, bias, stride, padding, dilation, int(given.get("groups", 1)))
