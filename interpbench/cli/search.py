"""`interpbench search`: fit a method with every combination of some options, and choose the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say
from interpbench.errors import UsageError


def _grid(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, list[str]]:
    """The values of each option, from `--grid NAME=VALUE,VALUE`."""
    grid: dict[str, list[str]] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        values = [value.strip() for value in text.split(",")]
        if not (name and equals and all(values)):
            raise UsageError(f"--grid must be NAME=VALUE,VALUE,... such as r=0.1,0.5,2, got {word!r}.")
        if name in grid:
            raise UsageError(f"--grid gives {name} twice: give all its values in one --grid.")
        grid[name] = values
    return grid


@click.command()
@flags.cohort
@flags.model
@flags.trust_factory
@flags.method
@flags.out("SEARCH", "Output folder for the fits, the table and the chosen options.")
@click.option(
    "--grid",
    multiple=True,
    required=True,
    callback=_grid,
    metavar="NAME=V1,V2,...",
    help="Values of an option to try; may be repeated. Every combination is fitted.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Accepted increase of the predictor's error over its error without noise, in the target's unit.",
)
@flags.options_of("method")
@flags.preset
@flags.seed
@flags.device
@flags.images
@flags.cache
@flags.common_options()
def search(cohort: Path, predictor: Path, out: Path, **settings: Any) -> None:
    """Fit a method with several options, and choose the best fit.

    Every combination of the values in --grid is fitted. Losses with different options are not comparable. The choice
    therefore uses the predictor's error on the validation split of COHORT. Among the combinations whose error exceeds
    the error without noise by at most --tolerance, the one that hides most of the image is chosen. For unoise this is
    the one with the most noise, and the error is the recalibrated error under noise.
    """
    from interpbench import pipeline

    record = pipeline.search(cohort, predictor, out, **settings)
    chosen, unit = record["chosen"], record["unit"]
    values = ", ".join(f"{name}={value}" for name, value in chosen["options"].items())
    say(
        f"Chosen from {len(record['trials'])} combinations: {values}; the fit is in {out / chosen['folder']}."
        f" Error {chosen['error']:.2f} {unit}, against {chosen['clean_error']:.2f} {unit} without noise;"
        f" the full table is {out / 'search.tsv'}"
    )
