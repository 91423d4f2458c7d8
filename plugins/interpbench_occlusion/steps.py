"""A predictor as a list of steps. Some are local: a part of their input decides about a part of their output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from interpbench.kit import Convolution
from interpbench_occlusion.windows import Window

Edges = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation: `result` from `inputs`, the names of values.

    `call` takes the inputs as whole tensors. Of a local step, `part` takes parts of volumes `(B, C, i, j, k)`: with a
    `window` the part of its one input that the window's places need, padded but for so many voxels along each axis, the
    second argument; without, the same part of every input.
    """

    result: str
    inputs: tuple[str, ...]
    call: Callable[..., Any]
    part: Callable[..., Tensor] | None = None
    window: Window | None = None

    @property
    def operations(self) -> int:
        """Multiplications and additions of a convolution for each number of the result; 0 of other steps."""
        if not isinstance(self.call, Convolution):
            return 0
        return 2 * self.call.weight.numel() // self.call.weight.shape[0]

    @property
    def local(self) -> bool:
        """Whether it can be done for a part of the volume alone."""
        return self.part is not None

    @property
    def passes_on(self) -> bool:
        """Whether it is local and reads its one input just where it writes."""
        return self.local and self.window is None and len(self.inputs) == 1


@dataclass(frozen=True)
class Program:
    """A predictor's steps in order, from the value `volume` to the value `output`.

    `edges` and `channels` are known of the values that are volumes.
    """

    steps: tuple[Step, ...]
    volume: str
    output: str
    edges: Mapping[str, Edges]
    channels: Mapping[str, int]

    @property
    def readers(self) -> dict[str, list[Step]]:
        """Who reads a value."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            for name in step.inputs:
                found.setdefault(name, []).append(step)
        return found

    def numbers(self, name: str) -> int:
        """How many numbers a volume holds."""
        return self.channels[name] * math.prod(self.edges[name])
