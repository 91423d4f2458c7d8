"""Small changes to a training batch that do not change the age. All are off by default: the paper used none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The random changes of each training volume in each epoch."""

    flip: float = 0.0  # probability of mirroring left and right
    shift: int = 0  # largest shift along each axis, in voxels
    noise: float = 0.0  # standard deviation of Gaussian noise, in units of the normalised volume
    left_right: int = 0  # the axis of (I, J, K) that runs from left to right

    def __call__(self, volumes: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed copies of volumes `(B, 1, I, J, K)` on the CPU."""
        number = volumes.shape[0]
        if self.flip > 0:
            chosen = torch.rand(number, generator=generator) < self.flip
            mirrored = volumes.flip(2 + self.left_right)
            volumes = torch.where(chosen[:, None, None, None, None], mirrored, volumes)
        if self.shift > 0:
            steps = torch.randint(0, 2 * self.shift + 1, (number, 3), generator=generator).tolist()
            volumes = self._shifted(volumes, steps)
        if self.noise > 0:
            volumes = volumes + self.noise * torch.randn(volumes.shape, generator=generator)
        return volumes

    def _shifted(self, volumes: Tensor, steps: list[list[int]]) -> Tensor:
        # What comes in at an edge repeats that edge: background, where the brain does not reach the edge.
        padded = functional.pad(volumes, (self.shift,) * 6, mode="replicate")
        shape = volumes.shape[2:]
        crops = [
            padded[index][:, i : i + shape[0], j : j + shape[1], k : k + shape[2]]
            for index, (i, j, k) in enumerate(steps)
        ]
        return torch.stack(crops)


def left_right_axis(orientation: str) -> int:
    """The axis that runs from left to right in a grid of this orientation, such as `"RAS"`."""
    return next(axis for axis, code in enumerate(orientation.upper()) if code in "LR")
