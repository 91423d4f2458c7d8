"""`train`: a predictor from a cohort, with its error on subjects that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log, problem_rows
from interpbench.cohort.in_memory import CohortSource
from interpbench.cohort.recipe_for import recipe_for
from interpbench.cohort.recorded_splits import SPLIT_TABLE
from interpbench.doubts import count_doubts, from_counts
from interpbench.errors import UsageError, did_you_mean
from interpbench.files.failures import finish
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.components import make_component
from interpbench.host.registry import discover
from interpbench.options import checked_seed, option_fields, options_json, typed_options
from interpbench.pipeline.network_training import CURVE, PREDICTIONS, WORKSPACE, train_on
from interpbench.predictor.model import RECORD, WEIGHTS, read_model_record, save_predictor
from interpbench.predictor.network import NetworkPredictor
from interpbench.run.device import resolve_device
from interpbench.run.identity import (
    distribution_of,
    identity_of,
    input_rows,
    read_cohort_files,
    read_component,
    read_machine,
    read_settings,
)
from interpbench.run.places import placed_cohort
from interpbench.training.epochs import TrainingSettings
from interpbench.training.targets import open_target


def train(
    cohort: CohortSource,
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
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows.
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
    seed = checked_seed(seed)
    cohort = placed_cohort("train", cohort, {"out": out, "options": options})
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
    opened_cohort, aim = open_target(cohort, target, unit, images)
    blank = blank.aimed_at(aim.column, aim.classes)
    grid = recipe_for(opened_cohort.subjects, **(recipe or {}))
    hashes = Hashes()
    parts = [
        read_component(blank, installed, hashes),
        read_settings(
            predictor=predictor,
            target={"column": aim.column, "unit": aim.unit, "classes": list(aim.classes)},
            settings={**options_json(settings), "seed": seed},
            recipe=grid.to_json(),
            images=opened_cohort.rules.to_json(),
        ),
        read_cohort_files(opened_cohort, hashes),
        read_machine(where),
    ]
    asked = identity_of("train", parts, {})
    finished = (Path(out) / RECORD).is_file()
    command = {"cohort": opened_cohort.table, "device": str(where)}
    run = RunFolder.open(
        out, "train", {**asked, "command": command}, anew=None if finished else (WORKSPACE,), hashes=hashes
    )
    run.write_inputs(input_rows(parts))
    if run.resumed and finished:
        log.info("%s: already trained with these settings; nothing to do", run.path)
    else:
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            torch.manual_seed(seed)  # the first weights and dropout draw from the global random state
            trained, details, failures = train_on(
                blank, opened_cohort, aim, grid, settings, run.path, seed, where, hashes
            )
        details["distribution"] = distribution_of(installed)
        run.write_failures(problem_rows(opened_cohort) + failures)
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
        raise UsageError(f"predictor {predictor!r} is not a network that can be trained.")
    own, training = ({field.name for field in option_fields(one)} for one in (network, TrainingSettings))
    for name in options:
        if name not in own | training:
            known = f"Network: {', '.join(sorted(own))}. Training: {', '.join(sorted(training))}."
            hint = did_you_mean(name, own | training)
            raise UsageError(f"predictor {predictor!r} and its training have no option {name!r}.{hint} {known}")
    mine = {name: value for name, value in options.items() if name in own}
    rest = {name: value for name, value in options.items() if name not in own}
    return mine, TrainingSettings(**{**given, **typed_options(TrainingSettings, rest)})
