"""The steps as plain functions, plant, train or adopt, predict, fit, search, explain, aggregate, benchmark, verify."""

from __future__ import annotations

from interpbench.pipeline.adopting import adopt
from interpbench.pipeline.aggregating import aggregate
from interpbench.pipeline.benchmarking import benchmark
from interpbench.pipeline.demo import demo
from interpbench.pipeline.explaining import explain
from interpbench.pipeline.explaining_volume import explain_volume
from interpbench.pipeline.fitting import fit
from interpbench.pipeline.planting import plant
from interpbench.pipeline.prediction import predict
from interpbench.pipeline.searching import search
from interpbench.pipeline.training import train
from interpbench.pipeline.verifying import verify
from interpbench.pipeline.volume_map import VolumeMap

__all__ = [
    "VolumeMap",
    "adopt",
    "aggregate",
    "benchmark",
    "demo",
    "explain",
    "explain_volume",
    "fit",
    "plant",
    "predict",
    "search",
    "train",
    "verify",
]
