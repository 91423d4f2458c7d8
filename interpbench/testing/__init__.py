"""The conformance kit: what every predictor, explainer, aggregator and metric must do, as pytest classes to subclass.

It needs pytest, which interpbench itself does not.
"""

from __future__ import annotations

from interpbench.testing.aggregator import AggregatorContract
from interpbench.testing.brains import fitted, toy_brain, toy_brains, toy_cube, toy_samples
from interpbench.testing.cases import toy_case, toy_method, toy_volume
from interpbench.testing.explainer import ExplainerContract
from interpbench.testing.metric import MetricContract
from interpbench.testing.predictor import PredictorContract
from interpbench.testing.toys import (
    ToyFailure,
    ToyPredictor,
    constant_predictor,
    cube_predictor,
    failing,
    linear_predictor,
    weighted_cube_predictor,
)

__all__ = [
    "AggregatorContract",
    "ExplainerContract",
    "MetricContract",
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
    "toy_case",
    "toy_cube",
    "toy_method",
    "toy_samples",
    "toy_volume",
    "weighted_cube_predictor",
]
