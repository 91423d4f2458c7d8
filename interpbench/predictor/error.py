"""Mean absolute error of a regressor with its interval, and that of predicting the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.statistics import interval as interval
from interpbench.predictor.accuracy import describe_classes


def figures_of(
    rows: Sequence[Mapping[str, Any]], mean: float | None, *, seed: int = 0, truth: str = "age"
) -> dict[str, Any] | None:
    """`evaluate` over the rows whose target is known; None without such a row.

    Args:
        rows: each with the truth and `prediction`.
        truth: where the truth stands in a row.
    """
    known = [row for row in rows if row[truth] is not None]
    if not known:
        return None
    return evaluate([row[truth] for row in known], [row["prediction"] for row in known], mean, seed=seed)


def describe_figures(figures: Mapping[str, Any], unit: str, what: str = "age") -> str:
    """One line with a regressor's error, its interval and n, and the error of predicting the mean.

    Args:
        figures: of a regressor, or of a classifier, which are told by `describe_classes`.
        what: is predicted.
    """
    if "accuracy" in figures:
        return describe_classes(figures)
    text = f"mean absolute error {_spread(figures, 'mae', 'mae_interval', unit)}, n = {figures['n']}"
    if figures["mean_predictor_mae"] is not None:
        floor = _spread(figures, "mean_predictor_mae", "mean_predictor_interval", unit)
        text += f"; predicting the mean {what} of the training split: {floor}"
    return text


def _spread(figures: Mapping[str, Any], value: str, bounds: str, unit: str) -> str:
    text = f"{figures[value]:.2f} {unit}"
    return f"{text} (95 % interval {figures[bounds][0]:.2f} to {figures[bounds][1]:.2f})" if figures[bounds] else text


def evaluate(
    truth: Sequence[float], predicted: Sequence[float], mean: float | None, *, seed: int = 0
) -> dict[str, Any]:
    """Compare predictions with their targets, both in one unit.

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
