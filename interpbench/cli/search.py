"""`interpbench search`: fit a method under every combination of some options, and choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say
from interpbench.errors import UsageError


def _grid(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, list[str]]:
    """`--grid NAME=VALUE,VALUE` words as the values of each option."""
    grid: dict[str, list[str]] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        values = [value.strip() for value in text.split(",")]
        if not (name and equals and all(values)):
            raise UsageError(f"--grid is NAME=VALUE,VALUE,... such as r=0.1,0.5,2, got {word!r}.")
        if name in grid:
            raise UsageError(f"--grid gives {name} twice: name all of its values at once.")
        grid[name] = values
    return grid


@click.command()
@flags.cohort
@flags.model
@flags.trust_factory
@flags.method
@flags.out("SEARCH", "Folder for every fit, the table and the choice.")
@click.option(
    "--grid",
    multiple=True,
    required=True,
    callback=_grid,
    metavar="NAME=V1,V2,...",
    help="Values of an option to search; repeated, every combination is tried.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="How far the error may rise above the clean error, in the target's unit.",
)
@flags.options_of("method")
@flags.preset
@flags.seed
@flags.device
@flags.images
@flags.cache
@flags.spoken
def search(cohort: Path, predictor: Path, out: Path, **settings: Any) -> None:
    """Fit a method under every combination of some options, and choose one.

    Losses under different options are not comparable. So the choice, on the validation split of COHORT, is by what
    the predictor's error becomes: of the combinations that keep it within --tolerance of the clean error, the one
    that hides most from the predictor. For unoise that is the recalibrated noisy error, and the most noise.
    """
    from interpbench import pipeline

    record = pipeline.search(cohort, predictor, out, **settings)
    chosen, unit = record["chosen"], record["unit"]
    values = ", ".join(f"{name}={value}" for name, value in chosen["options"].items())
    say(
        f"Chosen of {len(record['trials'])}: {values}, fitted in {out / chosen['folder']}."
        f" Error {chosen['error']:.2f} {unit}, {chosen['clean_error']:.2f} clean; all in {out / 'search.tsv'}"
    )
