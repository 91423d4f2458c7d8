"""The objective of Bintsi et al. 2021, Eq. 2, L = (f(X_noisy) - y)^2 - r mean log B, and estimators of its gradient.

The predictor is frozen, so all that training needs of it is f and w = df/dX at the noisy volume. With
X_noisy = X + shift + sigma epsilon, each estimator gives the prediction term's derivative by sigma, voxel by voxel:

- `paper`, plain reparameterisation: 2 (f - y) w epsilon. Unbiased; cross-terms between voxels dominate its variance.
- `antithetic`, with f+ and f- at +epsilon and -epsilon: the expected squared error splits exactly into a bias part
  ((f+ + f-)/2 - y)^2 and a variance part ((f+ - f-)/2)^2, each differentiated.
- `recalibrated`, the default: noise shifts the prediction of everybody alike, which loses no information, so the
  error is taken after the least-squares line from noisy prediction to target, slope a and intercept held constant.
  What noise then costs is the variance a^2 sum sigma_i^2 w_i^2, in Gauss-Newton form with w held constant: its
  derivative 2 a^2 sigma w^2 is free of cross-terms. The line is that of the steps before.

The paper's Eq. 2 writes `- r log B` for a volume; the mean over the penalised voxels keeps r independent of their
number.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench import Predictor
from interpbench.kit import arithmetic
from interpbench_unoise.noise import Noise

ESTIMATORS = ("recalibrated", "antithetic", "paper")


def objective(
    predictor: Predictor,
    volumes: Tensor,
    targets: Tensor,
    logits: Tensor,
    where: Tensor,
    *,
    noise: Noise,
    r: float,
    epsilon: Tensor,
    estimator: str,
    slope: float = 1.0,
    precision: str = "float32",
) -> tuple[Tensor, Tensor, Tensor]:
    """A scalar whose gradient with respect to the logits is the estimator's, and the two parts of Eq. 2.

    Args:
        predictor: frozen.
        volumes: `(B, 1, I, J, K)`, clean.
        targets: `(B,)`, in the predictor's unit.
        logits: `(B, 1, I, J, K)` float32, of the mask B = sigmoid(logits).
        where: `(B, 1, I, J, K)`, 1 where noise is added and penalised, 0 elsewhere.
        noise: form and range of the noise.
        r: weight of the penalty, in the target's squared unit.
        epsilon: `(B, 1, I, J, K)`, standard normal.
        estimator: one of `ESTIMATORS`.
        slope: of the line from noisy prediction to target, for `recalibrated`.
        precision: of the predictor's arithmetic.

    Returns:
        The scalar, whose value means nothing; the predictions under the noise and the mean of -log B of each subject,
        `(B,)` both, without a graph.
    """
    sigma = noise.sigma(torch.sigmoid(logits)) * where
    fixed, moved = sigma.detach(), volumes + noise.shift * where
    plus, steep_plus = response(predictor, moved + fixed * epsilon, precision)
    if estimator == "paper":
        by_sigma = _wide(2 * (plus - targets)) * steep_plus * epsilon
    elif estimator == "antithetic":
        minus, steep_minus = response(predictor, moved - fixed * epsilon, precision)
        middle, half = (plus + minus) / 2, (plus - minus) / 2
        bias = _wide(middle - targets) * (steep_plus - steep_minus) * epsilon
        by_sigma = bias + _wide(half) * (steep_plus + steep_minus) * epsilon
    else:
        by_sigma = 2 * slope**2 * fixed * steep_plus.square()
    penalty = penalty_of(logits, where)
    prediction_term = (sigma * by_sigma).flatten(1).sum(1)
    return (prediction_term + r * penalty).mean(), plus, penalty.detach()


def penalty_of(logits: Tensor, where: Tensor) -> Tensor:
    """The mean of -log B over the penalised voxels of each subject, `(B,)`."""
    return -(F.logsigmoid(logits) * where).flatten(1).sum(1) / where.flatten(1).sum(1)


def response(predictor: Predictor, volumes: Tensor, precision: str = "float32") -> tuple[Tensor, Tensor]:
    """The prediction `(B,)` and its gradient with respect to the volume `(B, 1, I, J, K)`; no graph is kept."""
    volumes = volumes.detach().requires_grad_(True)
    with torch.enable_grad(), arithmetic(volumes.device, precision):
        predictions = predictor.predict(volumes)
    (gradient,) = torch.autograd.grad(predictions.sum(), volumes)
    return predictions.detach().float(), gradient.float()


def _wide(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1, 1)
