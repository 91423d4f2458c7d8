"""Windows that slide over a volume, their geometry, and pooling by them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench.kit import Convolution, three

Three = tuple[int, int, int]
Span = tuple[int, int]  # from, up to but not including


@dataclass(frozen=True)
class Window:
    """A sliding window's geometry along I, J and K, and the value that pads the volume."""

    kernel: Three
    stride: Three
    padding: Three
    dilation: Three = (1, 1, 1)
    outside: float = 0.0

    def reached(self, axis: int, span: Span, edge: int) -> Span:
        """Which places of the output, `edge` of them along the axis, see a span of the input."""
        stride, padding, reach = self.stride[axis], self.padding[axis], self._reach(axis)
        first = -(-(span[0] + padding - reach) // stride)
        last = (span[1] - 1 + padding) // stride
        return max(0, first), min(edge, last + 1)

    def needed(self, axis: int, span: Span) -> Span:
        """Which places of the input a span of the output is made of; some may lie outside the volume."""
        stride, padding = self.stride[axis], self.padding[axis]
        return span[0] * stride - padding, (span[1] - 1) * stride - padding + self._reach(axis) + 1

    def outputs(self, axis: int, edge: int) -> int:
        """How many places the output has, of so many of the input."""
        return (edge + 2 * self.padding[axis] - self._reach(axis) - 1) // self.stride[axis] + 1

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.kernel[axis] - 1)


def window_of(convolution: Convolution) -> Window:
    """Return the window that a convolution slides over a volume."""
    return Window(convolution.kernel, convolution.stride, convolution.padding, convolution.dilation)


@dataclass(frozen=True)
class Pooling:
    """Max or average pooling, `(B, C, I, J, K)` in and out."""

    pool: Callable[..., Tensor]
    window: Window
    ceil_mode: bool = False

    def __call__(self, volumes: Tensor) -> Tensor:
        return self._pooled(volumes, self.window.padding, ceil_mode=self.ceil_mode)

    def of_part(self, part: Tensor, padding: Three) -> Tensor:
        """Its output for a part that is padded already, but for what is left to be padded along each axis."""
        if any(edge < kernel for edge, kernel in zip(part.shape[2:], self.window.kernel, strict=True)):
            # torch refuses to average what is smaller than the window, also where it is to be padded
            part = F.pad(part, [edge for edge in reversed(padding) for _ in range(2)], value=self.window.outside)
            padding = (0, 0, 0)
        return self._pooled(part, padding, ceil_mode=False)

    def _pooled(self, volumes: Tensor, padding: Three, *, ceil_mode: bool) -> Tensor:
        more = {"dilation": self.window.dilation} if self.pool is F.max_pool3d else {}
        kernel, stride = self.window.kernel, self.window.stride
        if self.pool is F.avg_pool3d and volumes.dtype == torch.bfloat16:
            volumes = volumes.float()  # a CPU has no average in bfloat16
        return self.pool(volumes, kernel, stride=stride, padding=padding, ceil_mode=ceil_mode, **more)


def max_pooling(given: dict[str, Any]) -> Pooling:
    """`aten.max_pool3d` by its arguments."""
    kernel, dilation = three(given["kernel_size"]), three(given.get("dilation", 1))
    window = Window(kernel, _stride(given), three(given.get("padding", 0)), dilation, -math.inf)
    return Pooling(F.max_pool3d, window, bool(given.get("ceil_mode", False)))


def average_pooling(given: dict[str, Any]) -> Pooling | None:
    """`aten.avg_pool3d` by its arguments; None where windows at the volume's end have a divisor of their own."""
    padding = three(given.get("padding", 0))
    if given.get("ceil_mode") or given.get("divisor_override") is not None:
        return None
    if any(padding) and not given.get("count_include_pad", True):
        return None
    return Pooling(F.avg_pool3d, Window(three(given["kernel_size"]), _stride(given), padding))


def _stride(given: dict[str, Any]) -> Three:
    return three(given.get("stride") or given["kernel_size"])
