"""A 3D U-Net of MONAI's blocks for volumes of any size.

Each of `blocks` downsampling blocks halves the edges, rounding up; each upsampling block doubles them and cuts the
surplus plane off where its skip connection is odd. So nothing is padded, and 5 blocks take 70 x 88 x 70 as it is.
Group normalisation keeps a subject's output independent of its batch, and works on a single voxel.

On a CPU large volumes go through the finest level one by one: memory beyond `KEPT_BYTES` is asked for anew for every
tensor, which costs more than what is then done with it. The coarser levels go together, for single small volumes take
a slow path through torch's convolutions. Where two tensors would be put together for a convolution, each is convolved
with its part of the weights instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from monai.networks.blocks.dynunet_block import UnetBasicBlock, get_conv_layer
from torch import Tensor, nn

from interpbench.kit import layout_for
from interpbench_unoise.normalisation import normalised_activation
from interpbench_unoise.stem import channels_last

LEAK = 0.01  # slope of the leaky ReLU below zero
KEPT_BYTES = 2**25  # the largest piece of memory that the C library keeps for the next who asks


class UNet(nn.Module):
    """A 3D U-Net with one output value per voxel: `(B, 1, I, J, K)` to `(B, 1, I, J, K)`.

    Args:
        channels: after the first block; every downsampling block doubles them.
        blocks: downsampling blocks, and as many upsampling ones.
    """

    def __init__(self, channels: int = 16, blocks: int = 5) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(blocks + 1)]
        self.first = Block(1, widths[0], stride=1)
        self.down = nn.ModuleList(Block(narrow, wide, stride=2) for narrow, wide in pairwise(widths))
        self.grow = nn.ModuleList(
            get_conv_layer(3, wide, narrow, kernel_size=2, stride=2, bias=True, conv_only=True, is_transposed=True)
            for narrow, wide in pairwise(widths)
        )
        self.up = nn.ModuleList(Block(2 * width, width, stride=1) for width in widths[:-1])
        self.last = nn.Conv3d(widths[0], 1, kernel_size=1)

    def forward(self, volumes: Tensor) -> Tensor:
        """One value per voxel."""
        size = self._together(volumes)
        fine = [self.first(some) for some in channels_last(volumes).split(size)]
        skips: list[Tensor] = []
        features = torch.cat([self.down[0](some) for some in fine])
        for down in self.down[1:]:
            skips.append(features)
            features = down(features)
        for skip, grow, up in zip(reversed(skips), reversed(self.grow), reversed(self.up), strict=False):
            features = up(_grown(grow, features, skip), skip)
        outputs = []
        for coarse, skip in zip(features.split(size), fine, strict=True):
            finest = self.up[0](_grown(self.grow[0], coarse, skip), skip)
            # a 1x1x1 convolution is a product of matrices, and as that it is fast on every device
            outputs.append(F.linear(finest.movedim(1, -1), self.last.weight.flatten(1), self.last.bias).movedim(-1, 1))
        return torch.cat(outputs)

    def _together(self, volumes: Tensor) -> int:
        """The number of subjects that go through the finest level at once."""
        if volumes.device.type != "cpu":
            return len(volumes)
        return max(1, KEPT_BYTES // (4 * volumes[0].numel() * self.last.in_channels))

    def restart_last(self, value: float) -> None:
        """Initialise the last 1x1x1 layer at `value` everywhere: weights learned for one task saturate the next."""
        nn.init.normal_(self.last.weight, std=0.1 / math.sqrt(self.last.in_channels))
        if self.last.bias is not None:
            nn.init.constant_(self.last.bias, value)


class Block(UnetBasicBlock):
    """Two convolutions, each normalised in float32 and activated; the input may come in parts."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__(3, channels_in, channels_out, kernel_size=3, stride=stride, norm_name="instance")
        self.norm1, self.norm2 = (nn.GroupNorm(math.gcd(8, channels_out), channels_out) for _ in range(2))

    def forward(self, *parts: Tensor) -> Tensor:
        features = normalised_activation(_convolved(self.conv1.conv, parts), self.norm1, LEAK)
        return normalised_activation(self.conv2(features), self.norm2, LEAK)


def _convolved(layer: nn.Conv3d, parts: Sequence[Tensor]) -> Tensor:
    """The convolution of `torch.cat(parts, 1)`."""
    if len(parts) == 1:
        whole: Tensor = layer(parts[0])
        return whole
    weights = layer.weight.split([part.shape[1] for part in parts], dim=1)
    layout = layout_for(layer.weight.device)
    total: Tensor | None = None
    for part, some in zip(parts, weights, strict=True):
        found = F.conv3d(part, some.contiguous(memory_format=layout), None, layer.stride, layer.padding)
        total = found if total is None else total.add_(found)
    return torch.as_tensor(total)


def _grown(grow: nn.Module, features: Tensor, like: Tensor) -> Tensor:
    """The volume upsampled by 2, without the surplus plane if `like` is odd."""
    edges = like.shape[2:]
    larger: Tensor = grow(features)
    return larger[:, :, : edges[0], : edges[1], : edges[2]]
