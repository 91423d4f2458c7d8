"""Whether a prediction leaves what the predictor was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from interpbench.doubts import PREDICTION as OUTSIDE
from interpbench.doubts import Doubt


def outside_training(prediction: float, record: Mapping[str, Any], unit: str) -> Doubt | None:
    """A sentence where a prediction leaves the range of ages, or other numbers, that the predictor was trained on."""
    key, what = ("training_range", "range") if "training_range" in record else ("training_age_range", "ages")
    lowest, highest = record.get(key) or (-math.inf, math.inf)
    if lowest <= prediction <= highest:
        return None
    words = f"the prediction of {prediction:.1f} {unit} lies outside the training {what}, {lowest:.1f} to {highest:.1f}"
    return Doubt(words, OUTSIDE)
