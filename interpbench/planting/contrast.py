"""`contrast`: the tissue of a region is brighter or darker, by a factor 1 + c y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interpbench.planting.geometry import Array, Inside, window_of
from interpbench.planting.kind import Effect, Kind
from interpbench.planting.tissue import Tissue

DARKEST = 0.1  # of its intensity, which the tissue keeps


class ScaledTissue(Effect):
    """x' = b + (x - b)(1 + c y) in the region, b the background."""

    def __init__(self, tissue: Tissue, region: Inside, bound: float) -> None:
        self.tissue, self.bound = tissue, bound
        self.window = window_of(region, tissue.affine, 0.0)
        self.most = (1 - DARKEST) / bound
        self._added = np.where(region, tissue.values - tissue.background, 0)[self.window].astype(np.float32)

    def values(self, amount: float, strength: float) -> Array:
        scaled = self.tissue.values[self.window] + np.float32(strength * amount) * self._added
        return np.asarray(scaled, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Contrast(Kind):
    """The tissue's intensity is scaled; the strength is the share that it gains per SD."""

    unit: ClassVar[str] = "share of the intensity per SD"
    usual: ClassVar[float] = 0.1

    def on(
        self, tissue: Tissue, region: Inside, random: np.random.Generator, bound: float, avoid: Inside | None = None
    ) -> Effect:
        return ScaledTissue(tissue, region, bound)
