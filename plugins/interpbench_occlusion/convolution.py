"""Convolutions with constant weights, of whole volumes and of parts of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench_occlusion.windows import Three, Window, three

_DEFAULTS = (("stride", 1), ("padding", 0), ("dilation", 1))


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with constant weights, `(B, C, I, J, K)` in and out.

    On a CPU oneDNN is called for volumes of any size. Torch leaves small ones to code of its own, three times as slow,
    and with another rounding. In torch's own layout, a part of a volume then comes out with the bits that it has in the
    whole; with channels last it would not, for there the order of addition changes with the edges.
    """

    weight: Tensor
    bias: Tensor | None
    stride: Three
    padding: Three
    dilation: Three
    groups: int

    def __call__(self, volumes: Tensor) -> Tensor:
        return self._convolved(volumes, self.padding)

    def of_part(self, part: Tensor, padding: Three) -> Tensor:
        """Its output for a part that is padded already, but for what is left to be padded along each axis."""
        return self._convolved(part, padding)

    def _convolved(self, volumes: Tensor, padding: Three) -> Tensor:
        volumes = volumes.to(self.weight.dtype)
        known = volumes.dtype in (torch.float32, torch.bfloat16)  # to oneDNN
        if known and volumes.device.type == "cpu" and torch.backends.mkldnn.is_available():
            return torch.mkldnn_convolution(
                volumes, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
            )
        return F.conv3d(volumes, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

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


def convolution(given: dict[str, Any]) -> Convolution | None:
    """`aten.conv3d` by its arguments; None where it is not one of constant weights and padding in voxels."""
    weight, bias = given["weight"], given.get("bias")
    if not isinstance(weight, Tensor) or weight.dim() != 5 or isinstance(given.get("padding"), str):
        return None
    stride, padding, dilation = (three(given.get(name, default)) for name, default in _DEFAULTS)
    return Convolution(weight, bias, stride, padding, dilation, int(given.get("groups", 1)))
