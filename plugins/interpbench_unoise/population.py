"""The population map of Bintsi et al. 2021: the mean over subjects, its top 10 % of brain voxels kept, smoothed.

Sums are kept in float64, so n, mean and standard deviation cost three volumes however many subjects there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from scipy import ndimage
from torch import Tensor

from interpbench import Aggregator, InputError, check_options, option


@dataclass(kw_only=True)
class Population(Aggregator):
    """Mean, standard deviation and n of the maps, and the thresholded, smoothed mean that the paper shows."""

    pictured: ClassVar[str | None] = "top"

    top: float = option(0.10, "share of brain voxels, those with the highest mean, that are kept", above=0, maximum=1)
    sigma: float = option(
        1.0,
        "SD of the Gaussian smoothing, in voxels of the network's grid: 1 is 4 mm at a voxel size of 4 mm",
        minimum=0,
        maximum=100,
    )

    _n: int = field(default=0, init=False, repr=False)
    _sum: Tensor | None = field(default=None, init=False, repr=False)
    _squares: Tensor | None = field(default=None, init=False, repr=False)
    _brains: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def caption(self) -> str:
        return f"mean over subjects, top {100 * self.top:g} % of the brain, smoothed by {self.sigma:g} voxel"

    def add(self, map: Tensor) -> None:
        """Take in one subject's map `(I, J, K)`.

        Raises:
            InputError: it holds NaN or infinity, or has another shape than those before.
        """
        values = torch.as_tensor(map).detach().double().cpu()
        bad = int((~values.isfinite()).sum())
        if bad:
            raise InputError(f"A map must hold finite values, {bad} of {values.numel()} are NaN or infinite.")
        self._sum = _plus(self._sum, values)
        self._squares = _plus(self._squares, values.square())
        self._n += 1

    def add_brain(self, brain: Tensor) -> None:
        self._brains = _plus(self._brains, torch.as_tensor(brain).double().cpu())

    def merge(self, other: Self) -> None:
        for name in ("_sum", "_squares", "_brains"):
            theirs = getattr(other, name)
            if theirs is not None:
                setattr(self, name, _plus(getattr(self, name), theirs))
        self._n += other._n

    def result(self) -> dict[str, Tensor]:
        """`top` (the paper's picture), `mean`, `std` (over subjects, n - 1) and `n`, each `(I, J, K)` float32."""
        if self._sum is None or self._squares is None:
            raise ValueError("no map has been added")
        mean = self._sum / self._n
        spread = (self._squares - self._n * mean.square()).clamp(min=0) / max(self._n - 1, 1)
        number = torch.full_like(mean, self._n)
        results = {"top": self._top(mean), "mean": mean, "std": spread.sqrt(), "n": number}
        return {name: values.float() for name, values in results.items()}

    def _top(self, mean: Tensor) -> Tensor:
        brain = torch.ones_like(mean, dtype=torch.bool) if self._brains is None else 2 * self._brains >= self._n
        if not bool(brain.any()):
            return torch.zeros_like(mean)
        threshold = torch.as_tensor(mean[brain]).kthvalue(_rank(int(brain.sum()), self.top)).values
        kept = torch.where(brain & (mean >= threshold), mean, 0.0)
        smooth = ndimage.gaussian_filter(kept.numpy(), self.sigma) if self.sigma else kept.numpy()
        return torch.from_numpy(smooth)


def _plus(total: Tensor | None, values: Tensor) -> Tensor:
    if total is None:
        return values.clone()
    if total.shape != values.shape:
        raise InputError(f"Maps must have one shape, {tuple(total.shape)} so far, got {tuple(values.shape)}.")
    return total + values


def _rank(voxels: int, share: float) -> int:
    """The rank of the lowest kept voxel from below, counted from 1."""
    return max(1, voxels - max(1, round(share * voxels)) + 1)
