"""Batch norm by the statistics of the training: one line for each channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench.predictor.graph.convolution import CHANNELS_LAST, Convolution


class BatchNorm(nn.Module):
    """Batch norm by the statistics of the training, `(B, C, ...)` in and out. It is never changed.

    Args:
        weight, bias, mean, variance: `(C,)`.
        rectified: whether values below 0 become 0 (ReLU).
    """

    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    variance: Tensor

    def __init__(
        self, *, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float,
        rectified: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        for name, values in {"weight": weight, "bias": bias, "mean": mean, "variance": variance}.items():
            self.register_buffer(name, None if values is None else values.detach())
        self.eps, self.rectified = eps, rectified
        self._line: tuple[Tensor, Tensor] | None = None

    def forward(self, volumes: Tensor) -> Tensor:
        """Normalise; where channels come last, a product and a sum are quicker than torch's batch norm."""
        if self._in_channels_last(volumes):
            scale, shift = self.by_channel()
            made = torch.addcmul(shift, volumes, scale)
        else:
            made = F.batch_norm(volumes, self.mean, self.variance, self.weight, self.bias, eps=self.eps)
        return made.relu_() if self.rectified else made

    def _in_channels_last(self, volumes: Tensor) -> bool:
        """Whether a volume is in channels last and needs no gradient, so that the quicker way is possible."""
        if volumes.dim() != 5 or volumes.dtype != self.mean.dtype or volumes.requires_grad:
            return False
        return volumes.is_contiguous(memory_format=CHANNELS_LAST)

    def and_relu(self) -> BatchNorm:
        """The batch norm and a ReLU after it, in one."""
        values = {name: getattr(self, name) for name in ("weight", "bias", "mean", "variance")}
        return BatchNorm(**values, eps=self.eps, rectified=True)

    def after(self, convolution: Convolution) -> Convolution:
        """A convolution that includes this batch norm: its weights and biases are changed channel by channel.

        w' = w gamma / sqrt(var + eps), b' = (b - mean) gamma / sqrt(var + eps) + beta, found in float64.
        """
        scale, shift = self.line()
        bias = shift if convolution.bias is None else convolution.bias.double() * scale + shift
        weight = convolution.weight.double() * scale[:, None, None, None, None]
        kind = convolution.weight.dtype
        return convolution.like(weight.to(kind), bias.to(kind), rectified=self.rectified)

    def line(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of each channel, `(C,)` float64."""
        scale = (self.variance.double() + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.double()
        shift = -self.mean.double() * scale
        return scale, shift if self.bias is None else shift + self.bias.double()

    def by_channel(self) -> tuple[Tensor, Tensor]:
        """Scale and shift for volumes, `(1, C, 1, 1, 1)`; they are worked out once."""
        if self._line is None or self._line[0].device != self.mean.device:
            scale, shift = (values.to(self.mean.dtype)[None, :, None, None, None] for values in self.line())
            self._line = scale, shift
        return self._line
