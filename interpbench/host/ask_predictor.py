"""Asks a predictor for one prediction, and checks the answer."""

from __future__ import annotations

import math

import torch

from interpbench.contract.interfaces import Predictor
from interpbench.errors import PluginError
from interpbench.host.foreign import asking


@torch.no_grad()
def predict_one(predictor: Predictor, volume: torch.Tensor) -> float:
    """Predict one volume `(1, 1, I, J, K)`, in the predictor's unit.

    Raises:
        PluginError: the predictor fails, or its answer is no number.
        ResourceError: memory ran out.
        InterpbenchError: the predictor raised it.
    """
    with asking("the predictor", volume):
        found = predictor.predict(volume).double().reshape(-1)
        value = float(found[0]) if len(found) == 1 else math.nan
    if len(found) != 1:
        raise PluginError(f"the predictor returned {len(found)} numbers for one volume, but must return one.")
    if not math.isfinite(value):
        raise PluginError(f"the predictor returned {value}, but must return a finite number (in {predictor.unit}).")
    return value
