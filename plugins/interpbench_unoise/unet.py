"""A 3D U-Net of MONAI's blocks for volumes of any size.

Each of `blocks` downsampling blocks halves the edges, rounding up; each upsampling block doubles them and cuts the
surplus plane off where its skip connection is odd. So nothing is padded, and 5 blocks take 70 x 88 x 70 as it is.
Group normalisation keeps a subject's output independent of its batch, and works on a single voxel.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from monai.networks.blocks.dynunet_block import UnetBasicBlock, get_conv_layer
from torch import Tensor, nn


class UNet(nn.Module):
    """Volume in, one value a voxel out: `(B, 1, I, J, K)` to `(B, 1, I, J, K)`.

    Args:
        channels: after the first block; every downsampling block doubles them.
        blocks: downsampling blocks, and as many upsampling ones.
    """

    def __init__(self, channels: int = 16, blocks: int = 5) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(blocks + 1)]
        self.first = _block(1, widths[0], stride=1)
        self.down = nn.ModuleList(
            _block(narrow, wide, stride=2) for narrow, wide in pairwise(widths)
        )
        self.grow = nn.ModuleList(
            get_conv_layer(3, wide, narrow, kernel_size=2, stride=2, bias=True, conv_only=True, is_transposed=True)
            for narrow, wide in pairwise(widths)
        )
        self.up = nn.ModuleList(_block(2 * width, width, stride=1) for width in widths[:-1])
        self.last = nn.Conv3d(widths[0], 1, kernel_size=1)

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.first(volumes)
        skips = []
        for down in self.down:
            skips.append(features)
            features = down(features)
        for skip, grow, up in zip(reversed(skips), reversed(self.grow), reversed(self.up), strict=True):
            edges = skip.shape[2:]
            features = grow(features)[:, :, : edges[0], : edges[1], : edges[2]]
            features = up(torch.cat([features, skip], dim=1))
        output: Tensor = self.last(features)
        return output

    def restart_last(self, value: float) -> None:
        """Start the last 1x1x1 layer anew, at `value` everywhere: what it learned for one task saturates the next."""
        nn.init.normal_(self.last.weight, std=0.1 / math.sqrt(self.last.in_channels))
        nn.init.constant_(self.last.bias, value)


class ExactGroupNorm(nn.GroupNorm):
    """Group normalisation in float32, also inside autocast: more exact, and on a CPU faster than from bfloat16."""

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def _block(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    block = UnetBasicBlock(3, channels_in, channels_out, kernel_size=3, stride=stride, norm_name="instance")
    block.norm1, block.norm2 = (ExactGroupNorm(math.gcd(8, channels_out), channels_out) for _ in range(2))
    return block
