"""A program with fewer steps that says the same: batch norms in the convolutions before them, rectifiers in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench_occlusion.convolution import Convolution
from interpbench_occlusion.steps import Program


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNorm:
    """Batch norm by the statistics of the training, `(B, C, ...)` in and out."""

    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    variance: Tensor
    eps: float
    rectified: bool = False  # what is below 0 becomes 0

    def __call__(self, volumes: Tensor) -> Tensor:
        made = F.batch_norm(volumes, self.mean, self.variance, self.weight, self.bias, eps=self.eps)
        return made.relu_() if self.rectified else made

    def of_part(self, part: Tensor) -> Tensor:
        """The same; where channels come last, a product and a sum are quicker than torch's batch norm."""
        scale, shift = self._by_channel
        if part.dtype != scale.dtype:
            return self(part)
        made = torch.addcmul(shift, part, scale)
        return made.relu_() if self.rectified else made

    @property
    def line(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of each channel, `(C,)` float64."""
        scale = (self.variance.double() + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.double()
        shift = -self.mean.double() * scale
        return scale, shift if self.bias is None else shift + self.bias.double()

    @cached_property
    def _by_channel(self) -> tuple[Tensor, Tensor]:
        scale, shift = (values.to(self.mean.dtype)[None, :, None, None, None] for values in self.line)
        return scale, shift

    def after(self, convolution: Convolution) -> Convolution:
        """Both in one: each channel's weights are scaled, its bias is scaled and shifted."""
        scale, shift = self.line
        bias = shift if convolution.bias is None else convolution.bias.double() * scale + shift
        weight = convolution.weight.double() * scale[:, None, None, None, None]
        kind = convolution.weight.dtype
        return replace(convolution, weight=weight.to(kind), bias=bias.to(kind))


def fused(program: Program) -> Program:
    """Bring together what can be one step, where nobody else reads what is between."""
    readers = program.readers
    steps = {step.result: step for step in program.steps}
    for step in program.steps:
        before = steps.get(step.inputs[0]) if len(step.inputs) == 1 else None
        if before is None or len(readers[before.result]) > 1 or before.result == program.output:
            continue
        made = _together(before.call, step.call)
        if made is None:
            continue
        both = replace(before, result=step.result, call=made, part=made.of_part if before.local else None)
        del steps[step.result]
        steps = {one.result: one for one in (both if known is before else known for known in steps.values())}
    return replace(program, steps=tuple(steps.values()))


def _together(first: Callable[..., Any], second: Callable[..., Any]) -> Convolution | BatchNorm | None:
    if not isinstance(first, Convolution | BatchNorm) or first.rectified:
        return None
    if second is torch.relu:
        return replace(first, rectified=True)
    if isinstance(first, Convolution) and isinstance(second, BatchNorm) and not second.rectified:
        return second.after(first)
    return None
