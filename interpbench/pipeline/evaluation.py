"""How good a predictor is: mean absolute error with its interval, beside that of knowing only the mean."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def figures_of(rows: Sequence[Mapping[str, Any]], mean: float | None, *, seed: int = 0) -> dict[str, Any] | None:
    """`evaluate` on the rows with an age; None where there is no such row.

    Args:
        rows: each with `age` and `prediction`.
    """
    known = [row for row in rows if row["age"] is not None]
    if not known:
        return None
    return evaluate([row["age"] for row in known], [row["prediction"] for row in known], mean, seed=seed)


def describe_figures(figures: Mapping[str, Any], unit: str) -> str:
    """One line for a reader: the error with its interval and n, beside that of predicting the mean."""
    text = f"mean absolute error {_spread(figures, 'mae', 'mae_interval', unit)}, n = {figures['n']}"
    if figures["mean_predictor_mae"] is not None:
        floor = _spread(figures, "mean_predictor_mae", "mean_predictor_interval", unit)
        text += f"; predicting the mean age of the training split: {floor}"
    return text


def _spread(figures: Mapping[str, Any], value: str, bounds: str, unit: str) -> str:
    text = f"{figures[value]:.2f} {unit}"
    return f"{text} (95 % interval {figures[bounds][0]:.2f} to {figures[bounds][1]:.2f})" if figures[bounds] else text


def evaluate(
    truth: Sequence[float], predicted: Sequence[float], mean: float | None, *, seed: int = 0
) -> dict[str, Any]:
    """Compare predictions with the truth, both in one unit.

    Args:
        truth: `(n,)`.
        predicted: `(n,)`.
        mean: the mean target of the training split, the guess of a predictor that looks at nothing; None if unknown.
        seed: of the bootstrap.

    Returns:
        `n`, `mae` and `mean_predictor_mae`, each with a 95 % interval, `bias` (mean of predicted minus true)
        and `correlation` (Pearson; None where it is undefined).
    """
    true, guess = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    errors, floor = np.abs(guess - true), None if mean is None else np.abs(mean - true)
    defined = len(true) > 2 and np.ptp(true) > 0 and np.ptp(guess) > 0
    return {
        "n": len(true),
        "mae": float(errors.mean()),
        "mae_interval": interval(errors, seed=seed),
        "mean_predictor_mae": None if floor is None else float(floor.mean()),
        "mean_predictor_interval": None if floor is None else interval(floor, seed=seed),
        "bias": float((guess - true).mean()),
        "correlation": float(np.corrcoef(true, guess)[0, 1]) if defined else None,
    }


def interval(values: Sequence[float] | np.ndarray, *, seed: int = 0, resamples: int = 9999) -> list[float] | None:
    """95 % interval of the mean over subjects, by the BCa bootstrap (Efron 1987); None for fewer than three subjects.

    Args:
        values: `(n,)`, one a subject.
    """
    from scipy.stats import bootstrap

    numbers = np.asarray(values, np.float64)
    if len(numbers) < 3 or np.ptp(numbers) == 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a degenerate sample is told by its NaN
        found = bootstrap(
            (numbers,), np.mean, n_resamples=resamples, batch=1000, method="BCa",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    bounds = [float(found.low), float(found.high)]
    return bounds if all(math.isfinite(bound) for bound in bounds) else None
