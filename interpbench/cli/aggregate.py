"""`interpbench aggregate`: a population map from the maps of many subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


@click.command()
@click.argument("maps", type=flags.PATH)
@flags.out("POPULATION", "Output folder for the population maps and their picture.")
@click.option(
    "--aggregator",
    default="population",
    show_default=True,
    metavar="NAME",
    help="Aggregator that combines the maps; `interpbench methods` lists them.",
)
@flags.options_of("aggregator")
@flags.root
@flags.common_options()
def aggregate(maps: Path, out: Path, aggregator: str, options: dict[str, Any], root: Path | None) -> None:
    """Combine the maps of many subjects into population maps.

    MAPS is a folder that `interpbench explain` wrote.
    """
    from interpbench import pipeline

    moved: dict[str, Any] = {} if root is None else {"root": root}
    record = pipeline.aggregate(maps, out, aggregator=aggregator, options=options, **moved)
    say(f"Population maps written to {out}, n = {record['n']}")
