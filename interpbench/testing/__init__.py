"""The conformance kit: what every predictor, explainer and aggregator must do, as pytest classes to subclass.

It needs pytest, which interpbench itself does not.
"""

from __future__ import annotations

from interpbench.testing.aggregator import AggregatorContract
from interpbench.testing.brains import fitted, toy_brain, toy_brains, toy_cube, toy_samples
from interpbench.testing.explainer import ExplainerContract
from interpbench.testing.predictor import PredictorContract
from interpbench.testing.toys import (
    ToyFailure,
    ToyPredictor,
    constant_predictor,
    cube_predictor,
    failing,
    linear_predictor,
)

__all__ = [
    "AggregatorContract",
    "ExplainerContract",
    "PredictorContract",
    "ToyFailure",
    "ToyPredictor",
    "constant_predictor",
    "cube_predictor",
    "failing",
    "fitted",
    "linear_predictor",
    "toy_brain",
    "toy_brains",
    "toy_cube",
    "toy_samples",
]
