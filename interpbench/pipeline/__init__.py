"""The steps as plain functions: train or adopt, predict, fit, explain, aggregate. Each writes one run folder."""

from __future__ import annotations

from interpbench.pipeline.adopting import adopt
from interpbench.pipeline.aggregating import aggregate
from interpbench.pipeline.explaining import explain
from interpbench.pipeline.fitting import fit
from interpbench.pipeline.prediction import predict
from interpbench.pipeline.training import train

__all__ = ["adopt", "aggregate", "explain", "fit", "predict", "train"]
