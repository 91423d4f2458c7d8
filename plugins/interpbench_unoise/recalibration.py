"""The running least-squares line from noisy predictions to the target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

MEMORY = 0.99  # what a step leaves of the moments before it: about the last 100 steps count
SLOPES = (0.2, 5.0)  # a line fitted to few, or to noise, is held within these


@dataclass
class Recalibration:
    """Moments of (prediction, target), older steps fading; `target ~ slope * prediction + intercept`."""

    moments: list[float] = field(default_factory=lambda: [0.0] * 5)  # weight, p, t, pp, pt

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch of predictions and targets, both `(B,)`."""
        p, t = predictions.double().cpu().numpy(), targets.double().cpu().numpy()
        new = (len(p), p.sum(), t.sum(), (p * p).sum(), (p * t).sum())
        self.moments[:] = [MEMORY * old + float(value) for old, value in zip(self.moments, new, strict=True)]

    @property
    def slope(self) -> float:
        """Slope of the least-squares line; 1 until 8 subjects have been seen."""
        weight, p, t, pp, pt = self.moments
        variance = pp - p * p / weight if weight else 0.0
        if weight < 8 or variance <= 1e-9 * abs(pp):
            return 1.0
        return float(np.clip((pt - p * t / weight) / variance, *SLOPES))

    @property
    def intercept(self) -> float:
        """Intercept of the line, in the target's unit."""
        weight, p, t, _, _ = self.moments
        return (t - self.slope * p) / weight if weight else 0.0


def recalibrated(predictions: np.ndarray, targets: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Apply to `onto` the least-squares line from `predictions` to `targets` (1D, one value a subject)."""
    spread = np.var(predictions)
    slope = np.cov(predictions, targets, bias=True)[0, 1] / spread if spread > 0 else 0.0
    result: np.ndarray = targets.mean() + slope * (onto - predictions.mean())
    return result
