"""The noise model's training step as the paper's authors would write it: plain PyTorch on MONAI's own networks.

MONAI's `DynUNet` with 5 down- and 5 upsampling blocks and 16 channels after the first, a sigmoid at its end, MONAI's
`resnet18` as the predictor, volumes padded to multiples of 32 so that the U-Net's skip connections meet, everything in
float32 and in the default layout, and one backward pass through both networks, weights of the predictor included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench_unoise.noise import Noise
from interpbench_unoise.unet import LEAK, UNet

DIVISOR = 32  # 2 to the 5 downsampling blocks


def dyn_unet(channels: int = 16, blocks: int = 5) -> nn.Module:
    """MONAI's U-Net in the paper's size."""
    from monai.networks.nets.dynunet import DynUNet

    network: nn.Module = DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * (blocks + 1),
        strides=[1] + [2] * blocks,
        upsample_kernel_size=[2] * blocks,
        filters=[channels * 2**level for level in range(blocks + 1)],
    )
    return network


def padded(volumes: Tensor, divisor: int = DIVISOR) -> Tensor:
    """`(B, 1, I, J, K)` with background around it, up to multiples of the divisor."""
    sides: list[int] = []
    for edge in reversed(volumes.shape[2:]):
        missing = -edge % divisor
        sides += [missing // 2, missing - missing // 2]
    return F.pad(volumes, sides)


def plain_loss(
    unet: Callable[[Tensor], Tensor],
    predict: Callable[[Tensor], Tensor],
    volumes: Tensor,
    targets: Tensor,
    epsilon: Tensor,
    *,
    noise: Noise,
    r: float,
    where: Tensor | None = None,
) -> Tensor:
    """Eq. 2 of the paper, (f(X_noisy) - y)^2 - r mean log B, mean over the batch; its graph reaches all weights.

    Args:
        unet: `(B, 1, I, J, K)` to logits of the mask.
        predict: `(B, 1, I, J, K)` to `(B,)`.
        where: 1 where noise is added and penalised; None for everywhere.
    """
    where = torch.ones_like(volumes) if where is None else where
    mask = torch.sigmoid(unet(volumes))
    noisy = volumes + where * (noise.shift + noise.sigma(mask) * epsilon)
    penalty = -(torch.log(mask) * where).flatten(1).sum(1) / where.flatten(1).sum(1)
    return ((predict(noisy) - targets) ** 2 + r * penalty).mean()


def plain_forward(network: UNet, volumes: Tensor) -> Tensor:
    """The plugin's U-Net in plain PyTorch: whole batches, tensors put together, nothing rearranged."""

    def block(part: Any, features: Tensor) -> Tensor:
        for layer, norm in ((part.conv1, part.norm1), (part.conv2, part.norm2)):
            features = F.group_norm(layer(features), norm.num_groups, norm.weight, norm.bias, norm.eps)
            features = F.leaky_relu(features, LEAK)
        return features

    skips = [block(network.first, volumes)]
    for down in network.down:
        skips.append(block(down, skips[-1]))
    features = skips.pop()
    for grow, up in zip(reversed(network.grow), reversed(network.up), strict=True):
        skip = skips.pop()
        i, j, k = skip.shape[2:]
        features = block(up, torch.cat([grow(features)[:, :, :i, :j, :k], skip], dim=1))
    logits: Tensor = network.last(features)
    return logits
