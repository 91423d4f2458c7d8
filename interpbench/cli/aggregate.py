"""`interpbench aggregate`: one map of the population from the maps of its subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


@click.command()
@click.argument("maps", type=flags.PATH)
@flags.out("POPULATION", "Folder for the population's maps and picture.")
@click.option("--aggregator", default="population", show_default=True, metavar="NAME", help="How to put maps together.")
@flags.options_of("aggregator")
@flags.root
@flags.spoken
def aggregate(maps: Path, out: Path, aggregator: str, options: dict[str, Any], root: Path | None) -> None:
    """Put the maps of many subjects together.

    MAPS is a folder that `interpbench explain` wrote.
    """
    from interpbench import pipeline

    moved: dict[str, Any] = {} if root is None else {"root": root}
    record = pipeline.aggregate(maps, out, aggregator=aggregator, options=options, **moved)
    say(f"Population in {out}, n = {record['n']}")
