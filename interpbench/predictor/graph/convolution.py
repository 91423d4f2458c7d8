"""3D convolutions with constant weights, of whole volumes and of parts of them.

In channels last, oneDNN (in torch 2.13) has three faults, which `Convolution` avoids:

- With one input channel, stride 1 along J and a larger one along K, an output one voxel wide along K is not written:
  whatever the memory held before is returned. Where one place comes out, the stride does not matter: it is set to 1.
- With a kernel edge of 1 along K and a dilation above 1, it reads beyond the volume, and may end the process. Where the
  kernel's edge is 1, the dilation does not matter: it is set to 1.
- In bfloat16, on processors that multiply it but have no matrix units (AVX512_BF16 without AMX), with one input channel
  a group and a volume one voxel thick along I, outputs are not written, or wrongly. Such volumes are convolved in
  float32.

The fuzz in `tests/predictor/graph/test_convolution_fuzz.py` looks for further ones, in memory that was filled before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench.predictor.precision import bfloat16_by_onednn

Three = tuple[int, int, int]
CHANNELS_LAST = torch.channels_last_3d


class Convolution(nn.Module):
    """A convolution with constant weights, `(B, C, I, J, K)` in and out. It is never changed: see `like`.

    For passes without gradients on a CPU, oneDNN is called for volumes of any size, where torch leaves small ones to
    code of its own, three times as slow. Volumes then go in channels last, with the weights in the order that oneDNN
    wants. With gradients, and elsewhere, it is torch's own convolution.

    Args:
        weight: `(channels out, channels in / groups, kernel)`.
        bias: `(channels out,)`.
        stride, padding, dilation: in voxels along I, J and K.
        rectified: whether values below 0 become 0 (ReLU).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor | None, stride: Three, padding: Three, dilation: Three, groups: int,
        rectified: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.kernel = three(weight.shape[2:])
        self.stride, self.padding, self.groups, self.rectified = stride, padding, groups, rectified
        first, second, third = (1 if edge == 1 else step for edge, step in zip(self.kernel, dilation, strict=True))
        self.dilation = first, second, third
        self._packed: tuple[Tensor, Tensor] | None = None  # the weights, and the same for oneDNN
        self._exact: tuple[Tensor, Convolution] | None = None

    def like(self, weight: Tensor, bias: Tensor | None, *, rectified: bool) -> Convolution:
        """A convolution of the same geometry with other weights."""
        return Convolution(weight, bias, self.stride, self.padding, self.dilation, self.groups, rectified)

    def in_precision(self, precision: torch.dtype) -> Convolution:
        """The convolution with weights in this precision, to which it also converts its inputs."""
        bias = None if self.bias is None else self.bias.to(precision)
        return self.like(self.weight.to(precision), bias, rectified=self.rectified)

    def forward(self, volumes: Tensor, padding: Three | None = None) -> Tensor:
        """Convolve volumes, or parts of volumes.

        Args:
            padding: what is still to be padded along each axis, of a part; a whole volume is padded by `self.padding`.
        """
        padding = self.padding if padding is None else padding
        volumes = volumes.to(self.weight.dtype)
        if (volumes.requires_grad and torch.is_grad_enabled()) or not self._by_onednn:
            given = self.stride, padding, self.dilation, self.groups
            made = F.conv3d(volumes, self.weight, self.bias, *given)
            return made.relu_() if self.rectified else made
        if self.weight.dtype == torch.bfloat16 and self.weight.shape[1] == volumes.shape[2] == 1:
            exact: Tensor = self._in_float32()(volumes.float(), padding)
            return exact.to(torch.bfloat16)
        stride, written = self._stride_for(volumes.shape[-1], padding)
        volumes = volumes.contiguous(memory_format=CHANNELS_LAST)
        given, after = (padding, stride, self.dilation, self.groups), "relu" if self.rectified else "none"
        made = torch.ops.mkldnn._convolution_pointwise.default(
            volumes, self.for_onednn(), self.bias, *given, after, [], ""
        )
        return torch.as_tensor(made)[written].contiguous(memory_format=CHANNELS_LAST)

    def _in_float32(self) -> Convolution:
        """The convolution in float32; see above."""
        if self._exact is None or self._exact[0] is not self.weight:
            self._exact = self.weight, self.in_precision(torch.float32)
        return self._exact[1]

    def is_plain_for(self, edges: Three) -> bool:
        """Whether whole volumes `(B, C, *edges)` are convolved by oneDNN as it is, without going around a fault."""
        by_it = self._by_onednn and self.weight.dtype == torch.float32
        return by_it and self._stride_for(edges[2], self.padding)[0] == self.stride

    def _stride_for(self, edge: int, padding: Three) -> tuple[Three, tuple[Any, ...]]:
        """The stride that is asked of oneDNN, and which of the places that come out count; see above.

        Args:
            edge: of the volume along K.
        """
        beyond = edge + 2 * padding[2] - self.dilation[2] * (self.kernel[2] - 1) > self.stride[2]
        if self.weight.shape[1] * self.groups > 1 or self.stride[2] == 1 or beyond:
            return self.stride, ()
        return (*self.stride[:2], 1), (..., slice(0, 1))

    @property
    def _by_onednn(self) -> bool:
        kind, device = self.weight.dtype, self.weight.device
        known = kind == torch.float32 or (kind == torch.bfloat16 and bfloat16_by_onednn())
        return known and layout_of_parts(device) == CHANNELS_LAST

    def for_onednn(self) -> Tensor:
        """The weights in the order that oneDNN wants; they are arranged once."""
        if self._packed is None or self._packed[0] is not self.weight:
            given = (0, 0, 0), self.stride, self.dilation, self.groups
            packed = torch.ops.mkldnn._reorder_convolution_weight.default(self.weight, *given)
            self._packed = self.weight, torch.as_tensor(packed)
        return self._packed[1]


def layout_of_parts(device: torch.device) -> torch.memory_format:
    """Return the layout in which `Convolution` gives volumes: channels last where oneDNN convolves, else torch's."""
    by_onednn = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return CHANNELS_LAST if by_onednn else torch.contiguous_format


def three(edges: Sequence[int] | int) -> Three:
    """One number for each axis, from three numbers or one for all axes."""
    if isinstance(edges, int):
        return edges, edges, edges
    found = tuple(int(edge) for edge in edges)
    first, second, third = found * 3 if len(found) == 1 else found
    return first, second, third
