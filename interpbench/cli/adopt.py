"""`interpbench adopt`: make a predictor from a user's own trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


def _words(_context: click.Context, _parameter: click.Parameter, value: Any) -> tuple[str, ...]:
    """Class names from `child,adult`, or from a list in a configuration file."""
    words = value.split(",") if isinstance(value, str) else value or ()
    return tuple(str(word).strip() for word in words)


@click.command()
@click.argument("factory")
@click.argument("weights", type=flags.PATH)
@flags.out("MODEL", "Folder for the predictor.")
@flags.options_of("predictor `torch`", "torch")
@flags.recipe(required=True)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor that turns the network's output into the prediction: output * scale + offset.",
)
@click.option(
    "--offset",
    type=float,
    default=0.0,
    show_default=True,
    help="Value added to the scaled output, in the unit of the prediction.",
)
@click.option("--unit", default="years", show_default=True, help="Unit of the prediction.")
@click.option(
    "--training-ages",
    "training_age_range",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Age range of the network's training data; predictions outside it cause a warning.",
)
@click.option(
    "--target", metavar="COLUMN", show_default="age", help="Column of participants.tsv that the network predicts."
)
@click.option(
    "--classes",
    callback=_words,
    metavar="A,B,...",
    help="For a classifier, the values of the target column in the order of the network's outputs.",
)
@flags.target_class
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["chance", "batch", "gradient", "constant", "stuck"]),
    help="Problem that the network may have: it is adopted with a warning instead of an error. May be repeated.",
)
@flags.common_options()
def adopt(factory: str, weights: Path, out: Path, **settings: Any) -> None:
    """Turn your own network into a predictor.

    FACTORY is `module:function` or `module:Class`; it is imported and called to build the network. WEIGHTS is a
    safetensors file or a torch state dict. `interpbench methods torch` lists the options for reading its output.
    """
    from interpbench import pipeline

    record = pipeline.adopt(factory, weights, out, **settings)
    say(f"Predictor in {out}: {record['predictor']}, in {record['unit']}")
