"""Who made a result: what a manifest and a sidecar say of predictor and component."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from interpbench import store
from interpbench.cohort import Cohort
from interpbench.interfaces import Predictor
from interpbench.model import RECORD, read_record
from interpbench.progress import track
from interpbench.registry import Installed


def predictor_record(predictor: str | Path) -> dict[str, Any]:
    """What is on record of a model folder; nothing where the predictor is a plugin's own, without a folder."""
    return read_record(predictor) if (Path(predictor) / RECORD).is_file() else {}


def cohort_sha256(cohort: Cohort) -> str:
    """SHA-256 over the table and every image and mask: the same cohort, wherever it lies."""
    digest = hashlib.sha256(store.sha256_of(cohort.table).encode())
    for subject in track(cohort.subjects, "checking files", unit="subject"):
        for file in (subject.image, subject.mask):
            digest.update(b"none" if file is None else store.sha256_of(file).encode())
    return digest.hexdigest()


def distribution_of(installed: Installed) -> str:
    """Name and version of the distribution that a component comes from."""
    return f"{installed.plugin.distribution} {installed.plugin.version}"


def target_of_run(predictor: Predictor) -> dict[str, str]:
    """What makes a run of a classifier itself: the class whose logit is explained; nothing of a regressor."""
    return {} if predictor.target_class is None else {"target_class": predictor.target_class}
