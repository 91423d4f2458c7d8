"""`train`: a predictor from a cohort, with its error on subjects that it has not seen."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log, problem_rows
from interpbench.cohort.persons import doubts_about_splits
from interpbench.cohort.reading import doubts_about_samples, read_samples
from interpbench.cohort.recipe_for import recipe_for
from interpbench.cohort.recorded_splits import SPLIT_TABLE, write_splits
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import SPLITS, Cohort
from interpbench.contract.interfaces import Sample
from interpbench.doubts import as_counts, count_doubts, from_counts
from interpbench.errors import InputError, UsageError, did_you_mean
from interpbench.files.atomic import write_tsv
from interpbench.files.failures import finish
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.ask_predictor import predict_one
from interpbench.host.components import make_component
from interpbench.host.foreign import asking
from interpbench.host.registry import discover
from interpbench.images.recipe import Recipe
from interpbench.images.typical import KEY, Typical
from interpbench.options import option_fields, options_json, typed_options
from interpbench.pipeline.prediction import columns_of, figures_for, predict_subjects, predictions_in
from interpbench.predictor.error import describe_figures
from interpbench.predictor.layout import settle
from interpbench.predictor.model import RECORD, WEIGHTS, doubts_of, read_model_record, save_predictor
from interpbench.predictor.network import NetworkPredictor
from interpbench.predictor.readout import check_readout
from interpbench.predictor.steadiness import try_answers
from interpbench.predictor.trial import refuse_findings, try_network
from interpbench.run.device import resolve_device
from interpbench.run.identity import (
    distribution_of,
    identity_of,
    input_rows,
    read_cohort,
    read_component,
    read_machine,
    read_settings,
)
from interpbench.run.places import check_places
from interpbench.run.trying import equal_of_subjects
from interpbench.training.augmentation import left_right_axis
from interpbench.training.cross_entropy import CrossEntropy
from interpbench.training.epochs import Trained, TrainingSettings, train_epochs
from interpbench.training.regression import Regression
from interpbench.training.targets import Target, open_target

CURVE, PREDICTIONS, WORKSPACE = "training.tsv", "predictions.tsv", "checkpoints"


def train(
    cohort: str | Path,
    out: str | Path,
    *,
    predictor: str = "resnet18",
    target: str = "age",
    unit: str | None = None,
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
    images: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train a network to predict age, or another column of the table, and write it as a model folder.

    A number is learned by the mean squared error of the standardised number, classes by cross-entropy; Adam. The cohort
    is split 75/10/15, stratified by what is predicted, and the epoch with the lowest validation error (of a number) or
    loss (of classes) is kept. The defaults are the settings of Bintsi et al. 2021.

    Args:
        cohort: a folder with `participants.tsv`, or a table.
        out: `model.safetensors`, `model.json`, `training.tsv` (the curve), `split.tsv`, `predictions.tsv` (test split).
            While it trains, `checkpoints/`; the same command goes on from them.
        predictor: the network's name.
        target: the column to predict. Numbers make a regressor, words a classifier with a class for each word.
        unit: of a number other than age.
        options: the network's options. Names that are none of the network's, but are arguments below
            (`schedule`, `flip`, ...), set those.
        recipe: what differs from the recipe that suits the cohort: `voxel_size`, `shape`, `normalise`, ...
        epochs, batch_size, learning_rate, milestones_every, schedule, weight_decay, precision, flip, shift, noise:
            see `TrainingSettings`.
        seed: of the split, the first weights, the order of subjects and the augmentation.
        device: `auto`, `cpu` or `cuda`.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.

    Returns:
        The content of `model.json`; `["metrics"]["test"]` has the mean absolute error in the unit, or the accuracy,
        with its interval.

    Raises:
        InputError: the cohort cannot be trained on, or the network's output is squashed or of another number.
        SubjectsFailed: the model was trained and written, but some subjects were left out.
    """
    check_places("train", {"cohort": Path(cohort), "out": out, "options": options})
    given = dict(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        milestones_every=milestones_every,
        schedule=schedule,
        weight_decay=weight_decay,
        precision=precision,
        flip=flip,
        shift=shift,
        noise=noise,
    )
    options, settings = _divided(predictor, options or {}, given)
    blank, installed = make_component("predictor", predictor, options)
    where = resolve_device(device)
    people, aim = open_target(cohort, target, unit, images)
    blank = blank.aimed_at(aim.column, aim.classes)
    grid = recipe_for(people.subjects, **(recipe or {}))
    parts = [
        read_component(blank, installed),
        read_settings(
            predictor=predictor,
            target={"column": aim.column, "unit": aim.unit, "classes": list(aim.classes)},
            settings={**options_json(settings), "seed": seed},
            recipe=grid.to_json(),
            images=people.rules.to_json(),
        ),
        read_cohort(people),
        read_machine(where),
    ]
    asked = identity_of("train", parts, {})
    finished = (Path(out) / RECORD).is_file()
    command = {"cohort": people.table, "device": str(where)}
    run = RunFolder.open(out, "train", {**asked, "command": command}, anew=None if finished else (WORKSPACE,))
    run.write_inputs(input_rows(parts))
    if run.resumed and finished:
        log.info("%s: trained before with these settings; nothing to do", run.path)
    else:
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            torch.manual_seed(seed)  # the first weights and dropout draw from the global random state
            trained, details, failures = _train(blank, people, aim, grid, settings, run.path, seed, where)
        details["distribution"] = distribution_of(installed)
        run.write_failures(problem_rows(people) + failures)
        save_predictor(run.path, trained, name=predictor, details={**details, "training": run.manifest["settings"]})
    run.end([WEIGHTS, RECORD, CURVE, PREDICTIONS, SPLIT_TABLE, FAILURES], no_longer=[WORKSPACE])
    record = read_model_record(run.path)
    count_doubts(from_counts(record), record["metrics"]["subjects"])
    finish(run.failures(), run.path / FAILURES, record["metrics"]["subjects"])
    return record


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
    aim: Target,
    recipe: Recipe,
    settings: TrainingSettings,
    folder: Path,
    seed: int,
    device: torch.device,
) -> tuple[NetworkPredictor, dict[str, Any], list[dict[str, Any]]]:
    """The trained predictor, what its record says of it, and who failed; tables are written into the folder."""
    splits = split_cohort(people.subjects, seed=seed, column=aim.column, classes=aim.classes)
    write_splits(folder, people.subjects, splits)
    parts = {split: [one for one in people.subjects if splits[one.id] == split] for split in SPLITS}
    training, failures = read_samples(parts["train"], recipe, "reading the training split", aim.of)
    validation, more = read_samples(parts["validation"], recipe, "reading the validation split", aim.of)
    failures += more
    typical, told = Typical.of(((sample.volume, sample.brain) for sample in training), recipe.orientation)
    doubts = doubts_about_samples(training, None) | doubts_about_samples(validation, typical)
    for subject, doubt in zip(training.subjects, told, strict=True):
        doubts[subject.id] += [doubt] if doubt else []
    targets = [aim.of(subject) for subject in training.subjects]
    learned = _learned_from(targets, aim, people.table)
    if not validation:
        log.warning("There is no validation split: the last epoch is kept, not the best.")
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
    tested, more = predict_subjects(trained, parts["test"], splits, device, "testing", typical=typical, doubts=doubts)
    for label, some in doubts_about_splits(people.subjects, splits).items():
        doubts.setdefault(label if label in doubts else f"sub-{label}", []).extend(some)
    failures += more
    write_tsv(folder / PREDICTIONS, tested, columns_of(trained))
    metrics: dict[str, Any] = {
        "subjects": len(training) + len(validation) + len(tested),
        "training_subjects": len(training),
        "best_epoch": best.best_epoch,
        "validation": {"n": len(validation), **_validation_of(best, bool(validation))},
        "test": figures_for(trained, tested, learned, seed=seed),
    }
    if metrics["test"]:
        log.info("test split: %s", describe_figures(metrics["test"], trained.unit, aim.column))
    of_network += equal_of_subjects(trained, parts["test"], predictions_in(trained, tested), device)
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
            raise InputError(f"{table}: the training split has nobody of class {absent[0]!r} of column {aim.column!r}.")
        return {"training_counts": counts}
    if len(targets) < 2 or min(targets) == max(targets):
        raise InputError(
            f"{table}: the training split needs two subjects of different {aim.column}, it has {len(targets)}."
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
