"""`predict`: a predictor's number for every subject of a cohort."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log, problem_rows
from interpbench.cohort.in_memory import CohortSource
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.recorded_splits import all_splits
from interpbench.cohort.samples import target_of
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor
from interpbench.doubts import PREDICTOR, Doubt, as_record, count_doubts, kind_of
from interpbench.errors import InputError, InterpbenchError
from interpbench.files.atomic import write_json, write_tsv
from interpbench.files.failures import failure, finish
from interpbench.files.run_folder import sidecar_of
from interpbench.files.software import software
from interpbench.host.ask_predictor import predict_one
from interpbench.host.foreign import asking
from interpbench.host.trust import Names
from interpbench.images.typical import Typical, unlike
from interpbench.options import checked_seed
from interpbench.parallel.overlap import AHEAD, ahead
from interpbench.predictor.accuracy import class_figures
from interpbench.predictor.error import describe_figures, figures_of
from interpbench.predictor.network import NetworkPredictor
from interpbench.predictor.training_range import outside_training
from interpbench.progress import track
from interpbench.run.asked import AskedSubjects
from interpbench.run.device import resolve_device
from interpbench.run.identity import identity_of, read_machine, read_settings
from interpbench.run.places import placed_cohort
from interpbench.run.study import Study
from interpbench.run.trying import AlikePredictions, warned


def predict(
    cohort: CohortSource,
    predictor: str | Path,
    out: str | Path,
    *,
    target_class: str | None = None,
    split: str | None = None,
    participants: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    images: Mapping[str, Any] | None = None,
    trust_factory: Names = (),
) -> dict[str, Any]:
    """Predict the subjects of a cohort and write a table, with its figures in a `.json` beside it.

    Args:
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows; it needs no ages.
        predictor: a model folder, or the name of a predictor without weights.
        out: the table, with the columns of `prediction_columns`; `n/a` where unknown.
        target_class: of a classifier, the class whose logit and probability are told; None for the one on record.
        split: train, validation or test of the predictor's own division; None for everybody.
        participants: labels; then `split` does not matter.
        seed: of the bootstrap of the intervals.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.
        trust_factory: what the predictor's record may import, as for `load_predictor`.

    Returns:
        What the `.json` holds: `predictor`, `unit`, `figures` (of each split, where the truth is known), `warnings`.

    Raises:
        InputError: the predictor's answer is squashed, the same for everybody, or depends on chance or the batch.
        SubjectsFailed: the table was written, but some subjects could not be predicted; the `.json` lists them.
    """
    seed = checked_seed(seed)
    where = resolve_device(device)
    cohort = placed_cohort("predict", cohort, {"predictor": Path(predictor), "out": out})
    out = Path(out)
    study = Study.open(cohort, predictor, where, target_class=target_class, images=images, trust_factory=trust_factory)
    loaded, record = study.predictor, study.record
    subjects = study.chosen(AskedSubjects(split=split, labels=participants), study.splits or None)
    doubts = [Doubt(one, PREDICTOR) for one in study.tried(subjects).doubts]
    about: dict[str, list[str]] = {}
    alike = AlikePredictions(loaded)
    rows, failures = predict_subjects(
        loaded,
        subjects,
        study.splits or {},
        where,
        "predicting",
        prepared=study.prepared,
        alike=alike,
        typical=study.typical,
        doubts=about,
    )
    failures = ([] if participants else problem_rows(study.cohort)) + failures
    divided: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        divided.setdefault(row["split"] or "all", []).append(row)
    figures = {name: figures_for(loaded, some, record, seed=seed) for name, some in divided.items()}
    parts = [study.read_predictor, read_settings(images=study.cohort.rules.to_json()), read_machine(where)]
    for name, found in figures.items():
        if found:
            log.info("%s: %s", name, describe_figures(found, loaded.unit, loaded.target_column))
    doubts += [Doubt(one, PREDICTOR) for one in warned(alike.found(predictions_in(loaded, rows)))]
    if not loaded.classes:
        for row in rows:
            outside = outside_training(row["prediction"], record, loaded.unit)
            about[row["participant_id"]] += [outside] if outside else []
    for name, some in study.doubts_about_splits(all_splits(study.cohort, study.folder)).items():
        about.get(f"sub-{name}", []).extend(some)
    doubts += [Doubt(f"{name}: {one}", kind_of(one)) for name, some in about.items() for one in some]
    summary = {
        "predictor": study.fingerprint,
        "unit": loaded.unit,
        **({} if loaded.target_column == "age" else {"target": loaded.target_column}),
        **({"classes": list(loaded.classes), "target_class": loaded.target_class} if loaded.classes else {}),
        "n": len(rows),
        "figures": figures,
        **as_record(doubts),
        "failures": failures,
        "identity": identity_of("predict", parts, {**software(), "recipe": loaded.recipe.to_json()}),
    }
    write_tsv(out, rows, prediction_columns(loaded))
    write_json(sidecar_of(out), summary)
    count_doubts(about, len(rows))
    finish(failures, sidecar_of(out), len(rows))
    return summary


def prediction_columns(predictor: Predictor) -> tuple[str, ...]:
    """The columns of a table of predictions.

    A regressor's: `prediction` beside the age, and beside `target`, where another number is predicted. A classifier's:
    `true_class`; `predicted_class`, the most probable one; `target_class`, with its `logit` and `probability`.
    """
    numbers: tuple[str, ...]
    if predictor.classes:
        numbers = ("true_class", "predicted_class", "target_class", "logit", "probability")
    else:
        numbers = ("prediction",) if predictor.target_column == "age" else ("target", "prediction")
    return ("participant_id", "age", *numbers, "split")


def predictions_in(predictor: Predictor, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The predictions by label, from rows of `predict_subjects`."""
    return {str(row["participant_id"]).removeprefix("sub-"): _prediction_in(predictor, row) for row in rows}


def _prediction_in(predictor: Predictor, row: Mapping[str, Any]) -> float:
    return float(row["logit" if predictor.classes else "prediction"])


def figures_for(
    predictor: Predictor, rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any], *, seed: int = 0
) -> dict[str, Any] | None:
    """The predictor's error or accuracy on rows of `predict_subjects`; None if no truth is known.

    Args:
        record: of the predictor, as far as it has one: `training_mean`, `training_counts`.
    """
    if predictor.classes:
        counts = record.get("training_counts")
        return class_figures(rows, predictor.classes, max(counts, key=counts.get) if counts else None)
    truth = "age" if predictor.target_column == "age" else "target"
    return figures_of(rows, record.get("training_mean"), seed=seed, truth=truth)


def predict_subjects(
    predictor: Predictor,
    subjects: Sequence[Subject],
    splits: Mapping[str, str],
    device: torch.device,
    what: str,
    *,
    prepared: PreparedOnce,
    alike: AlikePredictions,
    typical: Typical | None = None,
    doubts: dict[str, list[str]] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Predict one subject after the other, so that nobody's number depends on who else is in a batch.

    While one is predicted, the next are read by other threads.

    Args:
        what: what the progress bar says.
        prepared: prepares them.
        alike: takes in each prediction.
        typical: of the images that the network was trained on.
        doubts: takes in what is doubtful about each image, by `participant_id`.

    Returns:
        A row for each subject, and a failure for each that could not be read or predicted.
    """
    rows, failures = [], []
    with ahead(functools.partial(_read, prepared, typical), subjects, AHEAD) as read:
        for subject in track(subjects, what, unit="subject"):
            found = next(read)
            try:
                if isinstance(found, InputError):
                    raise found
                volume, warnings = found
                given = volume[None].to(device)
                numbers = _numbers(predictor, subject, given)
            except InterpbenchError as error:
                log.warning("excluded: sub-%s: %s", subject.id, error)
                failures.append(failure(subject.id, subject.image, error))
                continue
            alike.see(_prediction_in(predictor, numbers), given)
            for warning in warnings:
                log.info("sub-%s: %s", subject.id, warning)
            if doubts is not None:
                doubts[f"sub-{subject.id}"] = list(warnings)
            row = {"participant_id": f"sub-{subject.id}", "age": subject.age, **numbers}
            rows.append({**row, "split": splits.get(subject.id)})
    return rows, failures


def _read(
    once: PreparedOnce, typical: Typical | None, subject: Subject
) -> tuple[torch.Tensor, tuple[str, ...]] | InputError:
    """A subject's volume and the warnings about it, or the reason why it is refused."""
    try:
        prepared = once.whole(subject)
    except InputError as error:
        return error
    return prepared.volume, (*prepared.warnings, *unlike(typical, prepared.volume, prepared.brain))


def _numbers(predictor: Predictor, subject: Subject, volume: torch.Tensor) -> dict[str, Any]:
    """The columns of a row about the prediction and the truth."""
    value = predict_one(predictor, volume)
    if predictor.classes:
        true = subject.cell(predictor.target_column)
        return {
            "true_class": true if true in predictor.classes else None,
            "predicted_class": _most_probable(predictor, volume, value),
            "target_class": predictor.target_class,
            "logit": value,
            "probability": 1 / (1 + math.exp(-value)) if value > 0 else math.exp(value) / (1 + math.exp(value)),
        }
    if predictor.target_column == "age":
        return {"prediction": value}
    truth = target_of(subject, predictor)
    return {"target": None if math.isnan(truth) else truth, "prediction": value}


@torch.no_grad()
def _most_probable(predictor: Predictor, volume: torch.Tensor, value: float) -> str | None:
    """The class with the highest logit; of more than two, a predictor that is no network cannot say."""
    classes, target = predictor.classes, str(predictor.target_class)
    if len(classes) == 2:
        return target if value > 0 else next(name for name in classes if name != target)
    if isinstance(predictor, NetworkPredictor):
        with asking("the predictor", volume):
            return classes[int(predictor.class_logits(volume)[0].argmax())]
    return None
