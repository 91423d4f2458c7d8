"""The first convolution of a frozen network with ReLU and max pooling behind it, and the gradient by its one channel.

At full resolution this is the dearest part of a 3D network's answer, and torch's own gradient by a single channel takes
seven times as long as the convolution itself. Here both passes go through a volume slab by slab along I, so that the
large features of a slab stay in the processor's cache. None of them is kept: of the pooled features only the place of
each maximum is remembered.

For the gradient g of the convolution's output (kernel w, stride 1, padding p), the gradient by the volume is

    dX[i, j, k] = sum over c, a, b, d of g[c, i + p - a, j + p - b, k + p - d] w[c, a, b, d].

Its sum over c and b is a convolution along J with one output channel for each (a, d); what remains is to add those
channels up, each moved by its (a, d).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Triple = tuple[int, int, int]
SLAB_BYTES = 2**24  # of a slab's features, about: with 4 to 32 MiB the times were within a tenth of each other


@dataclass(frozen=True)
class Pool:
    """Max pooling; its padding is less than its kernel, so that every window has a voxel."""

    kernel: Triple
    stride: Triple
    padding: Triple

    def edges(self, before: Triple) -> Triple:
        """Of the pooled features, from those of the features."""
        i, j, k = (
            (edge + 2 * padding - kernel) // stride + 1
            for edge, kernel, stride, padding in zip(before, self.kernel, self.stride, self.padding, strict=True)
        )
        return i, j, k


class Stem(nn.Module):
    """A convolution of one channel with stride 1, ReLU and max pooling, for volumes on a CPU.

    Args:
        layer: the convolution; a batch norm behind it is folded into it already. It needs no gradient.
        padding: of the convolution.
        pool: the pooling.
    """

    def __init__(self, layer: nn.Module, padding: Triple, pool: Pool) -> None:
        super().__init__()
        self.layer = layer
        self.padding = padding
        self.pool = pool

    def forward(self, volumes: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            given = volumes, self.layer.weight, self.layer.bias, self.padding, self.pool
            pooled: Tensor = _Stem.apply(*given)  # type: ignore[no-untyped-call]  # torch's has no types
        return pooled


class _Stem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volumes: Tensor, weight: Tensor, bias: Tensor | None, padding: Triple, pool: Pool) -> Tensor:
        wide = F.pad(volumes.detach().to(weight.dtype), _both_sides(padding))
        # the kernel's rows along I as channels: with a single one, processors cannot use what they have for bfloat16
        size = weight.shape[2]
        planes = weight.permute(0, 2, 1, 3, 4).contiguous(memory_format=torch.channels_last_3d)
        i, j, k = (edge - size + 1 for edge, size in zip(wide.shape[2:], weight.shape[2:], strict=True))
        shape = (len(volumes), len(weight), *pool.edges((i, j, k)))
        found = torch.empty(shape, dtype=weight.dtype, memory_format=torch.channels_last_3d)
        places = torch.empty(shape, dtype=torch.int32, memory_format=torch.channels_last_3d)
        for one, slab in _slabs(found, (i, j, k), pool):
            rows = [wide[one, 0, slab.first + down : slab.last + down] for down in range(size)]
            features = F.conv3d(torch.stack(rows, dim=-1).movedim(-1, 1), planes, bias)
            features = F.pad(F.relu_(features), (0, 0, 0, 0, slab.before, slab.after))  # after ReLU, 0 is no maximum
            found[one, :, slab.pooled], places[one, :, slab.pooled] = F.max_pool3d(
                features, pool.kernel, pool.stride, (0, *pool.padding[1:]), return_indices=True
            )
        ctx.save_for_backward(weight, found, places)
        ctx.given = (i, j, k), volumes.shape, volumes.dtype, padding, pool
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        weight, found, places = ctx.saved_tensors
        (i, j, k), shape, dtype, padding, pool = ctx.given
        a, b, d = weight.shape[2:]
        along_j = weight[:, 0].flip(2).permute(1, 3, 0, 2).reshape(a * d, -1, 1, b, 1)
        along_j = along_j.contiguous(memory_format=torch.channels_last_3d)
        gradient = gradient * (found > 0)  # where the maximum is 0, ReLU lets nothing through
        exact = torch.promote_types(weight.dtype, torch.float32)  # what is added up is
        total = torch.zeros(len(found), i + a - 1, shape[3], k + d - 1, dtype=exact)
        for one, slab in _slabs(found, (i, j, k), pool):
            like = torch.empty(
                (1, len(weight), slab.rows, j, k), dtype=weight.dtype, memory_format=torch.channels_last_3d
            )
            spread = torch.ops.aten.max_pool3d_with_indices_backward(
                gradient[one, :, slab.pooled],
                like,
                pool.kernel,
                pool.stride,
                (0, *pool.padding[1:]),
                (1, 1, 1),
                False,
                places[one, :, slab.pooled].long(),
            )
            spread = spread[:, :, slab.before : slab.rows - slab.after]
            parts = F.conv3d(spread, along_j, padding=(0, b - 1 - padding[1], 0))  # (1, a d, rows, J, K)
            # as a matrix, whose transposition is what torch is fast at
            moved = parts.movedim(1, -1).flatten(0, 3).t().contiguous().view(a, d, *parts.shape[2:])
            target = total[one, slab.first :]
            for down in range(a):
                for right in range(d):
                    target[0, down : down + moved.shape[2], :, right : right + k] += moved[down, right]
        inside = total[:, padding[0] : padding[0] + shape[2], :, padding[2] : padding[2] + shape[4]]
        return inside[:, None].to(dtype), None, None, None, None


@dataclass(frozen=True)
class _Slab:
    """Some rows of the pooled features, and the rows along I of the features that they come from."""

    pooled: slice
    first: int
    last: int  # one beyond
    before: int  # rows of padding
    after: int

    @property
    def rows(self) -> int:
        return self.before + self.last - self.first + self.after


def _slabs(pooled: Tensor, edges: Triple, pool: Pool) -> Iterator[tuple[slice, _Slab]]:
    """Every subject's slabs, for pooled features `(B, C, I, J, K)` of features with these edges."""
    row = pooled.shape[1] * edges[1] * edges[2] * pooled.element_size()
    height = max(1, SLAB_BYTES // (row * pool.stride[0]))
    for subject in range(len(pooled)):
        for start in range(0, pooled.shape[2], height):
            stop = min(start + height, pooled.shape[2])
            first = start * pool.stride[0] - pool.padding[0]
            last = (stop - 1) * pool.stride[0] - pool.padding[0] + pool.kernel[0]
            inside = max(first, 0), min(last, edges[0])
            slab = _Slab(slice(start, stop), *inside, inside[0] - first, last - inside[1])
            yield slice(subject, subject + 1), slab


def channels_last(volumes: Tensor) -> Tensor:
    """Volumes of one channel, seen as channels last: torch cannot tell, and convolves to the other layout."""
    i, j, k = volumes.shape[2:]
    return volumes.contiguous().as_strided(volumes.shape, (i * j * k, 1, j * k, k, 1))


def _both_sides(padding: Triple) -> tuple[int, ...]:
    return tuple(edge for edge in reversed(padding) for _ in range(2))
