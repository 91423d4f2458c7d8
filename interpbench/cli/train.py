"""`interpbench train`: a predictor from a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


@click.command()
@flags.cohort
@flags.out("MODEL", "Folder for the trained predictor.")
@click.option("--predictor", default="resnet18", show_default=True, metavar="NAME", help="Which network to train.")
@click.option(
    "--target",
    default="age",
    show_default=True,
    metavar="COLUMN",
    help="What to predict: numbers make a regressor, words a classifier.",
)
@click.option("--unit", metavar="UNIT", help="Of a number other than age.")
@flags.options_of("network, or of the training (schedule, flip, ...)")
@flags.recipe(required=False)
@click.option("--epochs", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Subjects a step.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-4, show_default=True)
@click.option(
    "--milestones-every",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="EPOCHS",
    help="Divide the learning rate by 10 every so many epochs.",
)
@flags.seed
@flags.device
@flags.images
@flags.spoken
def train(cohort: Path, out: Path, **settings: Any) -> None:
    """Train a predictor of age, or of another column, on a cohort.

    COHORT is split 75/10/15, alike in what is predicted, and the best epoch by validation error is kept.
    """
    from interpbench import pipeline
    from interpbench.predictor.error import describe_figures

    record = pipeline.train(cohort, out, **settings)
    test = record["metrics"]["test"]
    told = "nobody is in it, so there is no figure"
    if test:
        told = describe_figures(test, record["unit"], record.get("target", "age"))
    say(f"Predictor in {out}; test split: {told}")
