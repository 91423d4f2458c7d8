"""What the tests of both kinds of phantom need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    """The SHA-256 of every file in a folder."""

    def of(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return of


@pytest.fixture(scope="session")
def explained_variance() -> Callable[[np.ndarray, np.ndarray], float]:
    """The share of the variance of age that voxels explain, linearly."""
    return _explained_variance


def _explained_variance(features: np.ndarray, ages: np.ndarray) -> float:
    """Of ridge regression in 5-fold cross-validation, at the penalty that does best."""
    features = features.astype(np.float64) - features.mean(0)
    kernel = features @ features.T
    folds = np.random.default_rng(0).permutation(len(ages)) % 5
    scores = []
    for penalty in 10.0 ** np.arange(0, 8):
        predictions = np.empty_like(ages)
        for fold in range(5):
            train, test = folds != fold, folds == fold
            mean = ages[train].mean()
            dual = np.linalg.solve(kernel[np.ix_(train, train)] + penalty * np.eye(train.sum()), ages[train] - mean)
            predictions[test] = mean + kernel[np.ix_(test, train)] @ dual
        scores.append(1 - ((predictions - ages) ** 2).sum() / ((ages - ages.mean()) ** 2).sum())
    return max(scores)
