"""`interpbench demo`: all of it on the phantom."""

from __future__ import annotations

from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


@click.command()
@click.argument("out", type=flags.PATH)
@flags.seed
@flags.spoken
def demo(out: Path, seed: int) -> None:
    """Do all of it on a phantom, and write a page to look at.

    Phantom, train, fit, explain, aggregate; then open OUT/index.html.
    """
    from interpbench import pipeline

    pipeline.demo(out, seed=seed)
    say(f"Open {out / 'index.html'}")
