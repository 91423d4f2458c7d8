"""Measures of how good an importance map is; one file a family."""

from __future__ import annotations

from interpbench.metrics.localisation import auc

__all__ = ["auc"]
