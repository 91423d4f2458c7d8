"""`interpbench train`: train a predictor on a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


@click.command()
@flags.cohort
@flags.out("MODEL", "Output folder for the trained predictor.")
@click.option(
    "--predictor",
    default="resnet18",
    show_default=True,
    metavar="NAME",
    help="Network to train; `interpbench methods` lists them.",
)
@click.option(
    "--target",
    default="age",
    show_default=True,
    metavar="COLUMN",
    help="Column of participants.tsv to predict; a column of numbers trains a regressor, of words a classifier.",
)
@click.option("--unit", metavar="UNIT", help="Unit of the target, if it is a number other than age.")
@flags.options_of("network or of its training (schedule, flip, ...)")
@flags.recipe(required=False)
@click.option("--epochs", type=click.IntRange(min=1), default=40, show_default=True, help="Number of training epochs.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of subjects in a training step.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-4,
    show_default=True,
    help="Learning rate of the optimiser (Adam); the highest one for schedule=onecycle.",
)
@click.option(
    "--milestones-every",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="EPOCHS",
    help="Number of epochs between divisions of the learning rate by 10, for schedule=step.",
)
@flags.seed
@flags.device
@flags.images
@flags.common_options()
def train(cohort: Path, out: Path, **settings: Any) -> None:
    """Train a network to predict age, or another column, on a cohort.

    COHORT is split 75/10/15 into training, validation and test, stratified by the target. The epoch with the lowest
    validation error is kept.
    """
    from interpbench import pipeline
    from interpbench.predictor.error import describe_figures

    record = pipeline.train(cohort, out, **settings)
    test = record["metrics"]["test"]
    result = "empty, so no error is reported"
    if test:
        result = describe_figures(test, record["unit"], record.get("target", "age"))
    say(f"Predictor written to {out}; test split: {result}")
