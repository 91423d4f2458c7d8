"""Who made a result: what a manifest and a sidecar say of the predictor."""

from __future__ import annotations

from interpbench.contract.interfaces import Predictor


def target_of_run(predictor: Predictor) -> dict[str, str]:
    """What makes a run of a classifier itself: the class whose logit is explained; nothing of a regressor."""
    return {} if predictor.target_class is None else {"target_class": predictor.target_class}
