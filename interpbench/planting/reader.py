"""The linear reader: cross-validated ridge regression in its dual form, the penalty chosen by GCV in each fold.

With the Gram matrix K of centred features, K = U diag(e) U', and z = U'(y - mean y), generalised cross-validation
(Golub, Heath and Wahba 1979) minimises n sum((p / (e + p) z)^2) / (sum(p / (e + p)) - 1)^2 over the penalty p; the 1 is
the intercept's degree of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
PENALTIES = np.logspace(-4, 4, 33)  # of the mean eigenvalue
FLOOR = 0.1  # of the median SD: features that hardly vary are not blown up

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reading:
    """What the reader predicts for subjects it was not trained on, and the penalty of each fold."""

    predictions: Numbers
    penalties: tuple[float, ...]
    r2: float


def folds_of(subjects: int, seed: int) -> NDArray[np.int_]:
    """The fold of each person, `(N,)`: as even as can be, drawn by the seed."""
    order = np.random.default_rng([seed, subjects]).permutation(subjects)
    folds = np.empty(subjects, dtype=int)
    folds[order] = np.arange(subjects) % min(FOLDS, subjects)
    return folds


def scales_of(features: Numbers) -> Numbers:
    """By what each feature `(N, P)` is divided: its SD before anything was planted, with a floor; `(P,)`."""
    sd = features.std(axis=0)
    typical = float(np.median(sd[sd > 0])) if (sd > 0).any() else 1.0
    return np.asarray(np.maximum(sd, FLOOR * typical))


def read(features: Numbers, target: Numbers, folds: NDArray[np.int_]) -> Reading:
    """Predict each person from features `(N, P)` by a ridge regression that was trained on the other folds."""
    gram = features @ features.T
    predictions = np.empty(len(target))
    penalties = []
    for fold in range(int(folds.max()) + 1):
        train, test = folds != fold, folds == fold
        kernel = gram[np.ix_(train, train)]
        mean = kernel.mean(axis=0)
        centred = kernel - mean - mean[:, None] + mean.mean()
        across = gram[np.ix_(test, train)]
        across = across - across.mean(axis=1, keepdims=True) - mean + mean.mean()
        offset = float(target[train].mean())
        values, vectors = np.linalg.eigh(centred)
        values = np.maximum(values, 0)
        rotated = vectors.T @ (target[train] - offset)
        penalty = _penalty(values, rotated)
        predictions[test] = offset + across @ (vectors @ (rotated / (values + penalty)))
        penalties.append(penalty)
    return Reading(predictions, tuple(penalties), explained(predictions, target))


def explained(predictions: Numbers, target: Numbers) -> float:
    """The share of the target's variance that predictions explain; below 0 where its mean predicts better."""
    return float(1 - ((target - predictions) ** 2).sum() / ((target - target.mean()) ** 2).sum())


def _penalty(values: Numbers, rotated: Numbers) -> float:
    scale = float(values.mean()) or 1.0
    kept = scale * PENALTIES[:, None] / (values + scale * PENALTIES[:, None])
    freedom = np.maximum(kept.sum(axis=1) - 1, 1e-9)
    return float(scale * PENALTIES[np.argmin(((kept * rotated) ** 2).sum(axis=1) / freedom**2)])
