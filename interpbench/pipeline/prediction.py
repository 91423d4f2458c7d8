"""`predict`: a predictor's number for every subject of a cohort."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench import store
from interpbench.cohort import Subject
from interpbench.errors import InputError, PluginError
from interpbench.interfaces import Predictor
from interpbench.model import load_predictor
from interpbench.pipeline.checking import trouble
from interpbench.pipeline.device import resolve_device
from interpbench.pipeline.evaluation import describe_figures, figures_of
from interpbench.pipeline.provenance import predictor_record
from interpbench.pipeline.selection import choose, failure, finish, log, open_cohort, problem_rows, recorded_splits
from interpbench.progress import track

PREDICTION_COLUMNS = ("participant_id", "age", "prediction", "split")


def predict(
    cohort: str | Path,
    predictor: str | Path,
    out: str | Path,
    *,
    split: str | None = None,
    participants: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Predict the subjects of a cohort and write a table, with its figures in a `.json` beside it.

    Args:
        cohort: a folder with `participants.tsv`, or a table; ages are not needed.
        predictor: a model folder, or the name of a predictor without weights.
        out: the table: `participant_id`, `age`, `prediction`, `split`; `n/a` where unknown.
        split: train, validation or test of the predictor's own division; None for everybody.
        participants: labels; then `split` does not matter.
        seed: of the bootstrap of the intervals.

    Returns:
        What the `.json` holds: `predictor`, `unit`, `figures` (of each split, where ages are known), `warnings`.

    Raises:
        SubjectsFailed: the table was written, but some subjects could not be predicted; the `.json` lists them.
    """
    where = resolve_device(device)
    out = Path(out)
    loaded = load_predictor(predictor, str(where))
    record = predictor_record(predictor)
    people = open_cohort(cohort, need_age=False)
    splits = recorded_splits(people, Path(predictor)) or {}
    subjects = choose(people, splits or None, split, participants)
    rows, failures = predict_subjects(loaded, subjects, splits, where, "predicting")
    failures = ([] if participants else problem_rows(people)) + failures
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["split"] or "all", []).append(row)
    figures = {name: figures_of(some, record.get("training_mean"), seed=seed) for name, some in parts.items()}
    for name, found in figures.items():
        if found:
            log.info("%s: %s", name, describe_figures(found, loaded.unit))
    doubts = {row["participant_id"]: outside_training(row["prediction"], record, loaded.unit) for row in rows}
    summary = {
        "predictor": loaded.fingerprint,
        "unit": loaded.unit,
        "n": len(rows),
        "figures": figures,
        "warnings": [f"{name}: {sentence}" for name, sentence in doubts.items() if sentence],
        "failures": failures,
    }
    store.write_tsv(out, rows, PREDICTION_COLUMNS)
    store.write_json(store.sidecar_of(out), summary)
    finish(failures, store.sidecar_of(out), len(rows))
    return summary


def predict_subjects(
    predictor: Predictor,
    subjects: Sequence[Subject],
    splits: Mapping[str, str],
    device: torch.device,
    what: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Predict one subject after the other, so that nobody's number depends on who else is in a batch.

    Args:
        what: what the progress bar says.

    Returns:
        A row for each subject, and a failure for each that could not be read or predicted.
    """
    rows, failures = [], []
    for subject in track(subjects, what, unit="subject"):
        try:
            prepared = predictor.recipe.prepare(subject)
            value = predict_one(predictor, prepared.volume[None].to(device))
        except (InputError, PluginError) as error:
            log.warning("left out: sub-%s: %s", subject.id, error)
            failures.append(failure(subject.id, subject.image, error))
            continue
        for warning in prepared.warnings:
            log.info("sub-%s: %s", subject.id, warning)
        row = {"participant_id": f"sub-{subject.id}", "age": subject.age, "prediction": value}
        rows.append({**row, "split": splits.get(subject.id)})
    return rows, failures


@torch.no_grad()
def predict_one(predictor: Predictor, volume: torch.Tensor) -> float:
    """Predict one volume `(1, 1, I, J, K)`, in the predictor's unit.

    Raises:
        PluginError: the predictor fails, or its answer is no number.
        ResourceError: memory ran out.
    """
    try:
        value = float(predictor.predict(volume).double().reshape(()))
    except Exception as error:
        raise trouble(error, "the predictor", volume) from error
    if not math.isfinite(value):
        raise PluginError(f"the predictor answers {value}, which is no number of {predictor.unit}.")
    return value


def outside_training(prediction: float, record: Mapping[str, Any], unit: str) -> str | None:
    """A sentence where a prediction leaves the range of ages that the predictor was trained on."""
    youngest, oldest = record.get("training_age_range") or (-math.inf, math.inf)
    if youngest <= prediction <= oldest:
        return None
    return f"the prediction of {prediction:.1f} {unit} lies outside the training ages, {youngest:.1f} to {oldest:.1f}"
