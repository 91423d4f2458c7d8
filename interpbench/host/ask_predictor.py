"""A predictor is asked for one number, and what it answers is checked."""

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
        raise PluginError(f"the predictor gives {len(found)} numbers for one volume, and must give one.")
    if not math.isfinite(value):
        raise PluginError(f"the predictor answers {value}, which is no number of {predictor.unit}.")
    return value
