"""`interpbench adopt`: a user's own trained network as a predictor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


def _words(_context: click.Context, _parameter: click.Parameter, value: Any) -> tuple[str, ...]:
    """Words from `child,adult`, or from a list in a configuration file."""
    words = value.split(",") if isinstance(value, str) else value or ()
    return tuple(str(word).strip() for word in words)


@click.command()
@click.argument("factory")
@click.argument("weights", type=flags.PATH)
@flags.out("MODEL", "Folder for the predictor.")
@flags.options_of("predictor `torch`")
@flags.recipe(required=True)
@click.option("--scale", type=float, default=1.0, show_default=True, help="Prediction = read-out * scale + offset.")
@click.option("--offset", type=float, default=0.0, show_default=True)
@click.option("--unit", default="years", show_default=True, help="Unit of the prediction.")
@click.option(
    "--training-ages",
    "training_age_range",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="The range that it was trained on; predictions beyond are warned about.",
)
@click.option("--target", metavar="COLUMN", help="The column of participants.tsv that it predicts; age by default.")
@click.option(
    "--classes",
    callback=_words,
    metavar="A,B,...",
    help="Of a classifier: the words of that column, in the order of the network's outputs.",
)
@flags.target_class
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["chance", "batch", "gradient", "constant", "stuck"]),
    help="Adopt the network with a warning, though its trial finds this; repeat it for more.",
)
@flags.spoken
def adopt(factory: str, weights: Path, out: Path, **settings: Any) -> None:
    """Turn your own network into a predictor.

    FACTORY is `module:function` or `module:Class`, imported and called to build the network; WEIGHTS is a
    safetensors file or a torch state dict. The options of `interpbench methods torch` say how its output is read.
    """
    from interpbench import pipeline

    record = pipeline.adopt(factory, weights, out, **settings)
    say(f"Predictor in {out}: {record['predictor']}, in {record['unit']}")
