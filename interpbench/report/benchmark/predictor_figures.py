"""How good the explained predictor is, as rows of the page's table of figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interpbench.report.benchmark.order import number, pair
from interpbench.report.page import Figure

# Of `evaluate`: key, label, unit where it is not the predictor's.
EVALUATED = (
    ("mean_predictor_mae", "Mean absolute error of predicting the mean of the training split", ""),
    ("bias", "Mean of predicted minus true", ""),
    ("correlation", "Correlation of predicted and true", "no unit"),
)


def predictor_figures(predictor: Mapping[str, Any], unit: str) -> list[Figure]:
    """The predictor's error with its interval, where it was measured, at the top of its record or one level below."""
    found = list[Figure]()
    for place, record in [("", predictor), *predictor.items()]:
        if not isinstance(record, Mapping) or number(record.get("mae")) is None:
            continue
        n = record.get("n")
        found.append(
            Figure(
                f"Predictor: mean absolute error{f', {place} split' if place else ''}",
                number(record["mae"]),
                unit,
                n,
                pair(record.get("mae_interval")),
            )
        )
        for name, label, of in EVALUATED:
            if number(record.get(name)) is not None:
                bounds = pair(record.get(name.replace("_mae", "_interval")))
                found.append(Figure(label, number(record[name]), of or unit, n, bounds))
    return found
