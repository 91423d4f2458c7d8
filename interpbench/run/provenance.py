"""Who made a result: what a manifest and a sidecar say of predictor and component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interpbench.contract.interfaces import Predictor
from interpbench.predictor.model import RECORD, read_model_record


def predictor_record(predictor: str | Path) -> dict[str, Any]:
    """What is on record of a model folder; nothing where the predictor is a plugin's own, without a folder."""
    return read_model_record(predictor) if (Path(predictor) / RECORD).is_file() else {}


def target_of_run(predictor: Predictor) -> dict[str, str]:
    """What makes a run of a classifier itself: the class whose logit is explained; nothing of a regressor."""
    return {} if predictor.target_class is None else {"target_class": predictor.target_class}
