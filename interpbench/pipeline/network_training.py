"""The training of `train`: from a divided cohort to a trained network, its error, and what its record says."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log
from interpbench.cohort.persons import doubts_about_splits
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.reading import doubts_about_samples, read_samples
from interpbench.cohort.recorded_splits import SPLIT_TABLE, write_splits
from interpbench.cohort.samples import Samples
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import SPLITS, Cohort
from interpbench.contract.interfaces import Sample
from interpbench.doubts import as_counts
from interpbench.errors import InputError
from interpbench.files.atomic import write_tsv
from interpbench.files.hashes import Hashes
from interpbench.host.ask_predictor import predict_one
from interpbench.host.foreign import asking
from interpbench.images.recipe import Recipe
from interpbench.images.typical import KEY, Typical
from interpbench.pipeline.prediction import figures_for, predict_subjects, prediction_columns, predictions_in
from interpbench.predictor.error import describe_figures
from interpbench.predictor.layout import settle
from interpbench.predictor.model import doubts_of
from interpbench.predictor.network import NetworkPredictor
from interpbench.predictor.readout import check_readout
from interpbench.predictor.steadiness import try_answers
from interpbench.predictor.trial import refuse_findings, try_network
from interpbench.run.trying import AlikePredictions
from interpbench.training.augmentation import left_right_axis
from interpbench.training.cross_entropy import CrossEntropy
from interpbench.training.epochs import Trained, TrainingSettings, train_epochs
from interpbench.training.regression import Regression
from interpbench.training.targets import Target

CURVE, PREDICTIONS, WORKSPACE = "training.tsv", "predictions.tsv", "checkpoints"


def train_on(
    blank: NetworkPredictor,
    cohort: Cohort,
    aim: Target,
    recipe: Recipe,
    settings: TrainingSettings,
    folder: Path,
    seed: int,
    device: torch.device,
    hashes: Hashes,
) -> tuple[NetworkPredictor, dict[str, Any], list[dict[str, Any]]]:
    """The trained predictor, what its record says of it, and who failed; tables are written into the folder."""
    splits = split_cohort(cohort.subjects, seed=seed, column=aim.column, classes=aim.classes)
    write_splits(folder, cohort.subjects, splits)
    parts = {split: [one for one in cohort.subjects if splits[one.id] == split] for split in SPLITS}
    prepared = PreparedOnce(recipe)
    samples = functools.partial(Samples, recipe=recipe, target=aim.of, prepared=prepared)
    training, failures = read_samples(samples(parts["train"]), "reading the training split")
    validation, more = read_samples(samples(parts["validation"]), "reading the validation split")
    failures += more
    typical, told = Typical.of(((sample.volume, sample.brain) for sample in training), recipe.orientation)
    doubts = doubts_about_samples(training) | doubts_about_samples(validation, typical)
    for subject, doubt in zip(training.subjects, told, strict=True):
        doubts[subject.id] += [doubt] if doubt else []
    targets = [aim.of(subject) for subject in training.subjects]
    learned = _learned_from(targets, aim, cohort.table)
    if not validation:
        log.warning("There is no validation split: the last epoch is kept instead of the best.")
    if not parts["test"]:
        log.warning("There is no test split: the predictor's error for new subjects stays unknown.")
    mean, spread = statistics.fmean(targets), statistics.pstdev(targets)
    scale, offset = (spread, mean) if blank.standardise and not aim.classes else (1.0, 0.0)
    like = torch.empty(1, 1, *recipe.shape, device="meta")
    with asking(f"predictor {type(blank).__name__}", like, what="cannot build its network"):
        module = blank.build(recipe.shape)
    _check(blank, module, training[:2], recipe, device)
    log.info(
        "training on %d subjects, %d for validation, %d parameters, on %s",
        len(training),
        len(validation),
        sum(weights.numel() for weights in module.parameters()),
        device,
    )
    best = train_epochs(
        module,
        CrossEntropy(blank) if aim.classes else Regression(blank, scale, offset),
        training,
        validation,
        settings,
        left_right=left_right_axis(recipe.orientation),
        seed=seed,
        device=device,
        checkpoint=folder / WORKSPACE / "training.pt",
    )
    write_tsv(folder / CURVE, best.curve)
    trained = blank.loaded(best.module, recipe, unit=aim.unit, scale=scale, offset=offset)
    first = torch.stack([sample.volume for sample in training[:2]]).to(device)
    who = f"{type(blank).__name__}, trained"
    of_network = [*check_readout(trained, first, who)]
    found = try_network(trained, first, "training subjects")
    of_network += refuse_findings(found.findings, who)
    alike = AlikePredictions(trained)
    tested, more = predict_subjects(
        trained,
        parts["test"],
        splits,
        device,
        "testing",
        prepared=prepared,
        alike=alike,
        typical=typical,
        doubts=doubts,
    )
    for label, some in doubts_about_splits(cohort.subjects, splits, hashes).items():
        doubts.setdefault(label if label in doubts else f"sub-{label}", []).extend(some)
    failures += more
    write_tsv(folder / PREDICTIONS, tested, prediction_columns(trained))
    metrics: dict[str, Any] = {
        "subjects": len(training) + len(validation) + len(tested),
        "training_subjects": len(training),
        "best_epoch": best.best_epoch,
        "validation": {"n": len(validation), **_validation_of(best, bool(validation))},
        "test": figures_for(trained, tested, learned, seed=seed),
    }
    if metrics["test"]:
        log.info("test split: %s", describe_figures(metrics["test"], trained.unit, aim.column))
    of_network += alike.found(predictions_in(trained, tested))
    seen = {} if typical is None else {KEY: typical.to_json()}
    details = {
        **learned,
        "metrics": metrics,
        "split": SPLIT_TABLE,
        "warnings": of_network,
        **seen,
        **as_counts(doubts),
        "trial": {"volumes": "training subjects", "n": len(first), **found.figures},
    }
    for sentence in doubts_of({**details, "unit": trained.unit}):
        log.warning("%s", sentence)
    return trained, details, failures


def _learned_from(targets: list[float], aim: Target, table: Path) -> dict[str, Any]:
    """What the record says of the training split: the range and mean of a number, or how many there are of each class.

    Raises:
        InputError: there is nothing to learn in it.
    """
    if aim.classes:
        counts = {name: targets.count(index) for index, name in enumerate(aim.classes)}
        absent = [name for name, number in counts.items() if number == 0]
        if absent:
            raise InputError(
                f"{table}: the training split has no subject of class {absent[0]!r} of column {aim.column!r}."
            )
        return {"training_counts": counts}
    if len(targets) < 2 or min(targets) == max(targets):
        raise InputError(
            f"{table}: the training split needs two subjects with different {aim.column}, it has"
            f" {len(targets)} subjects."
        )
    key = "training_age_range" if aim.column == "age" else "training_range"
    return {key: [min(targets), max(targets)], "training_mean": statistics.fmean(targets)}


def _check(
    blank: NetworkPredictor, module: torch.nn.Module, samples: Sequence[Sample], recipe: Recipe, device: torch.device
) -> None:
    """Refuse a network that cannot learn what is asked, before the long work.

    Raises:
        InputError: another number of outputs than of classes, an output with bounds, or one that depends on chance or
            on the batch.
    """
    untrained = blank.loaded(settle(module, device), recipe)
    volumes = torch.stack([sample.volume for sample in samples]).to(device)
    volume = volumes[:1]
    if blank.classes:
        with torch.random.fork_rng(devices=[]):
            predict_one(untrained, volume)
    check_readout(untrained, volume, type(blank).__name__, strict=blank.standardise)
    refuse_findings(try_answers(untrained, volumes, thorough=True).findings, type(blank).__name__)


def _validation_of(best: Trained, known: bool) -> dict[str, float | None]:
    """The figures of the best epoch on the validation split."""
    row = best.curve[best.best_epoch - 1]
    names = [name for name in row if name.startswith("validation_")]
    return {name.removeprefix("validation_"): row[name] if known else None for name in names}
