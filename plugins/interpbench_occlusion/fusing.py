"""A program with fewer or cheaper steps that says the same.

Batch norms go into the convolutions before them, rectifiers work in place, and of a norm and a rectifier before a
convolution, as a DenseNet has them, nothing is left but a clipping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench_occlusion.convolution import Convolution
from interpbench_occlusion.steps import Program, Step

_FAR = 1e30  # where float32 ends


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

    @property
    def line(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of each channel, `(C,)` float64."""
        scale = (self.variance.double() + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.double()
        shift = -self.mean.double() * scale
        return scale, shift if self.bias is None else shift + self.bias.double()

    def after(self, convolution: Convolution) -> Convolution:
        """Both in one: each channel's weights are scaled, its bias is scaled and shifted."""
        scale, shift = self.line
        bias = shift if convolution.bias is None else convolution.bias.double() * scale + shift
        weight = convolution.weight.double() * scale[:, None, None, None, None]
        kind = convolution.weight.dtype
        return replace(convolution, weight=weight.to(kind), bias=bias.to(kind))

    def before(self, convolution: Convolution) -> tuple[Clip, Convolution]:
        """Norm, rectifier and a convolution that pads nothing, as two.

        With t = -b / a, max(a x + b, 0) is a (max(x, t) - t) where a is above 0, and a (min(x, t) - t) where it is
        below. a goes into the weights, and -a t = b into the bias. Where a is next to nothing, x does not matter.
        """
        scale, shift = self.line
        turn = -shift / scale
        live = turn.abs() < _FAR  # NaN is not
        scale, constant = torch.where(live, scale, 0.0), torch.where(live, shift, shift.relu())
        weight = convolution.weight.double()
        bias = torch.einsum("oc...,c->o...", weight, constant).flatten(1).sum(1)
        if convolution.bias is not None:
            bias = bias + convolution.bias.double()
        kind = convolution.weight.dtype
        weight = weight * scale[:, None, None, None]
        lowest = torch.where(scale > 0, turn, -torch.inf)
        highest = torch.where(scale < 0, turn, torch.inf)
        clip = Clip(lowest=_by_channel(lowest, kind), highest=_by_channel(highest, kind))
        return clip, replace(convolution, weight=weight.to(kind), bias=bias.to(kind))


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """Keeps each channel between two bounds `(1, C, 1, 1, 1)`."""

    lowest: Tensor
    highest: Tensor

    @cached_property
    def _below_only(self) -> bool:
        return bool((self.highest == torch.inf).all())

    def __call__(self, volumes: Tensor) -> Tensor:
        made = torch.maximum(volumes, self.lowest)
        return made if self._below_only else torch.minimum(made, self.highest, out=made)

    def of_part(self, part: Tensor) -> Tensor:
        """The same by one operation, which is the quicker one where channels come last."""
        return torch.maximum(part, self.lowest) if self._below_only else part.clamp(self.lowest, self.highest)


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
        part = made.of_part if isinstance(made, Convolution) else made
        both = replace(before, result=step.result, call=made, part=part)
        del steps[step.result]
        steps = {one.result: one for one in (both if known is before else known for known in steps.values())}
    return replace(program, steps=tuple(steps.values()))


def clipped(program: Program) -> Program:
    """Put a clipping in the place of norm and rectifier, where a convolution that pads nothing is all that reads them.

    In a lower precision it would not say the same: before a norm, values may lie far from 0.
    """
    readers = program.readers
    made: dict[str, Step] = {}
    for step in program.steps:
        norm, found = step.call, readers.get(step.result, [])
        if not (isinstance(norm, BatchNorm) and norm.rectified and len(found) == 1):
            continue
        (reader,) = found
        before = reader.call
        if isinstance(before, Convolution) and not any(before.padding) and before.groups == 1:
            clip, convolution = norm.before(before)
            made[step.result] = replace(step, call=clip, part=clip.of_part)
            made[reader.result] = replace(reader, call=convolution, part=convolution.of_part)
    return replace(program, steps=tuple(made.get(step.result, step) for step in program.steps))


def _by_channel(values: Tensor, kind: torch.dtype) -> Tensor:
    return values.to(kind)[None, :, None, None, None]


def _together(first: Callable[..., Any], second: Callable[..., Any]) -> Convolution | BatchNorm | None:
    if not isinstance(first, Convolution | BatchNorm) or first.rectified:
        return None
    if second is torch.relu:
        return replace(first, rectified=True)
    if isinstance(first, Convolution) and isinstance(second, BatchNorm) and not second.rectified:
        return second.after(first)
    return None
