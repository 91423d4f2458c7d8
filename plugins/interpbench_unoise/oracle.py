"""The optimal mask in closed form, for linear predictors.

For f(x) = w x + b, noise of standard deviation sigma_i on N penalised voxels and the target f(X), the objective's
expectation is sum sigma_i^2 w_i^2 - (r / N) sum log B_i. It falls apart into voxels; with D = v_max - v_min and
sigma = v + D B, v the noise at B = 0, its minimum is

    B_i = min(1, (-v + sqrt(v^2 + 2 r / (N w_i^2))) / (2 D)),

and B_i = 1 where w_i = 0. The form `equation1` shifts the prediction of every mask alike, and has v = 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from interpbench_unoise.noise import Noise


def closed_form_mask(weights: Tensor, noise: Noise, r: float) -> Tensor:
    """The mask that minimises the expected objective of a linear predictor.

    Args:
        weights: w of the penalised voxels, any shape; in the target's unit per unit of intensity.
        noise: form and range.
        r: weight of the penalty, in the target's squared unit.

    Returns:
        B, shaped like `weights`, float64.
    """
    floor = noise.v_min if noise.form == "scaled" else 0.0
    squared = weights.double().square()
    reach = 2 * r / (squared.numel() * squared)  # infinite where a voxel does not count
    mask = (torch.sqrt(floor**2 + reach) - floor) / (2 * noise.span)
    return mask.clamp(max=1.0)
