"""`train`: a predictor from a cohort, with its error on subjects that it has not seen."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interpbench import store
from interpbench.cohort import SPLITS, Cohort, split_cohort
from interpbench.errors import InputError, UsageError, did_you_mean
from interpbench.model import RECORD, read_record, save_predictor
from interpbench.network import NetworkPredictor
from interpbench.options import option_fields, options_json, typed_options
from interpbench.pipeline.augmentation import left_right_axis
from interpbench.pipeline.components import make_component
from interpbench.pipeline.device import resolve_device
from interpbench.pipeline.evaluation import describe_figures, figures_of
from interpbench.pipeline.prediction import PREDICTION_COLUMNS, predict_subjects
from interpbench.pipeline.provenance import cohort_sha256, distribution_of
from interpbench.pipeline.reading import read_samples
from interpbench.pipeline.regression import TrainingSettings, train_network
from interpbench.pipeline.selection import SPLIT_TABLE, finish, log, open_cohort, problem_rows, write_splits
from interpbench.recipe import Recipe, recipe_for
from interpbench.registry import discover

CURVE, PREDICTIONS = "training.tsv", "predictions.tsv"


def train(
    cohort: str | Path,
    out: str | Path,
    *,
    predictor: str = "resnet18",
    options: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    epochs: int = 40,
    batch_size: int = 8,
    learning_rate: float = 1e-4,
    milestones_every: int = 10,
    schedule: str = "step",
    weight_decay: float = 0.0,
    precision: str = "float32",
    flip: float = 0.0,
    shift: int = 0,
    noise: float = 0.0,
    seed: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Train a network to predict age, and write it as a model folder.

    The loss is the mean squared error of the standardised age; Adam. The cohort is split 75/10/15, stratified by
    age, and the epoch with the lowest validation error is kept. The defaults are the settings of Bintsi et al. 2021.

    Args:
        cohort: a folder with `participants.tsv`, or a table.
        out: `model.safetensors`, `model.json`, `training.tsv` (the curve), `split.tsv`, `predictions.tsv` (test split).
        predictor: the network's name.
        options: the network's options. Names that are none of the network's, but are arguments below
            (`schedule`, `flip`, ...), set those.
        recipe: what differs from the recipe that suits the cohort: `voxel_size`, `shape`, `normalise`, ...
        epochs, batch_size, learning_rate, milestones_every, schedule, weight_decay, precision, flip, shift, noise:
            see `TrainingSettings`.
        seed: of the split, the first weights, the order of subjects and the augmentation.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        The content of `model.json`; `["metrics"]["test"]` has the mean absolute error in years with its interval.

    Raises:
        InputError: the cohort cannot be trained on.
        SubjectsFailed: the model was trained and written, but some subjects were left out.
    """
    given = dict(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, milestones_every=milestones_every,
                 schedule=schedule, weight_decay=weight_decay, precision=precision, flip=flip, shift=shift, noise=noise)
    options, settings = _divided(predictor, options or {}, given)
    blank, installed = make_component("predictor", predictor, options)
    where = resolve_device(device)
    people = open_cohort(cohort, need_age=True)
    grid = recipe_for(people.subjects, **(recipe or {}))
    asked = {
        "predictor": predictor,
        "options": options_json(blank),
        "settings": {**options_json(settings), "seed": seed},
        "recipe": grid.to_json(),
        "cohort_sha256": cohort_sha256(people),
    }
    run = store.RunFolder.open(out, "train", {**asked, "command": {"cohort": people.table, "device": str(where)}})
    if run.resumed and (run.path / RECORD).is_file():
        log.info("%s: trained before with these settings; nothing to do", run.path)
        return read_record(run.path)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)  # the first weights and dropout draw from the global random state
        trained, details, failures = _train(blank, people, grid, settings, run.path, seed, where)
    details["distribution"] = distribution_of(installed)
    save_predictor(run.path, trained, name=predictor, details={**details, "training": run.manifest["settings"]})
    failures = problem_rows(people) + failures
    run.write_failures(failures)
    finish(failures, run.path / "failures.tsv", details["metrics"]["subjects"])
    return read_record(run.path)


def _divided(
    predictor: str, options: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], TrainingSettings]:
    """The network's own options, and the training's; a name that both have is the network's."""
    network = discover().load("predictor", predictor)
    if not issubclass(network, NetworkPredictor):
        raise UsageError(f"predictor {predictor!r} is no network that can be trained here.")
    own, training = ({field.name for field in option_fields(one)} for one in (network, TrainingSettings))
    for name in options:
        if name not in own | training:
            known = f"Of the network: {', '.join(sorted(own))}. Of the training: {', '.join(sorted(training))}."
            hint = did_you_mean(name, own | training)
            raise UsageError(f"predictor {predictor!r} and its training have no option {name!r}.{hint} {known}")
    mine = {name: value for name, value in options.items() if name in own}
    rest = {name: value for name, value in options.items() if name not in own}
    return mine, TrainingSettings(**{**given, **typed_options(TrainingSettings, rest)})


def _train(
    blank: NetworkPredictor,
    people: Cohort,
    recipe: Recipe,
    settings: TrainingSettings,
    folder: Path,
    seed: int,
    device: torch.device,
) -> tuple[NetworkPredictor, dict[str, Any], list[dict[str, Any]]]:
    """The trained predictor, what its record says of it, and who failed; tables are written into the folder."""
    splits = split_cohort(people.subjects, seed=seed)
    write_splits(folder, people.subjects, splits)
    parts = {split: [one for one in people.subjects if splits[one.id] == split] for split in SPLITS}
    training, failures = read_samples(parts["train"], recipe, "reading the training split")
    validation, more = read_samples(parts["validation"], recipe, "reading the validation split")
    failures += more
    ages = [sample.target for sample in training]
    if len(ages) < 2 or min(ages) == max(ages):
        raise InputError(f"{people.table}: the training split needs two subjects of different age, it has {len(ages)}.")
    if not validation:
        log.warning("There is no validation split: the last epoch is kept, not the best.")
    mean, spread = statistics.fmean(ages), statistics.pstdev(ages)
    scale, offset = (spread, mean) if blank.standardise else (1.0, 0.0)
    module = blank.build(recipe.shape)
    log.info(
        "training on %d subjects, %d for validation, %d parameters, on %s",
        len(training), len(validation), sum(weights.numel() for weights in module.parameters()), device,
    )
    best = train_network(
        blank, module, training, validation, settings,
        scale=scale, offset=offset, left_right=left_right_axis(recipe.orientation), seed=seed, device=device,
    )  # fmt: skip
    store.write_tsv(folder / CURVE, best.curve)
    trained = blank.loaded(best.module, recipe, scale=scale, offset=offset)
    tested, more = predict_subjects(trained, parts["test"], splits, device, "testing")
    failures += more
    store.write_tsv(folder / PREDICTIONS, tested, PREDICTION_COLUMNS)
    score = best.curve[best.best_epoch - 1]["validation_mae"]
    metrics: dict[str, Any] = {
        "subjects": len(training) + len(validation) + len(tested),
        "training_subjects": len(training),
        "best_epoch": best.best_epoch,
        "validation": {"n": len(validation), "mae": score if validation else None},
        "test": figures_of(tested, mean, seed=seed),
    }
    if metrics["test"]:
        log.info("test split: %s", describe_figures(metrics["test"], trained.unit))
    details = {"training_age_range": [min(ages), max(ages)], "training_mean": mean, "metrics": metrics,
               "split": SPLIT_TABLE}
    return trained, details, failures
