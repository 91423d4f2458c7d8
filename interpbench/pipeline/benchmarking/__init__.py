"""`benchmark`: many methods on the same predictor and the same subjects, every measure, with intervals."""

from __future__ import annotations

from interpbench.pipeline.benchmarking.run import benchmark

__all__ = ["benchmark"]
