"""`interpbench fit`: let a method that must learn, learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


@click.command()
@flags.cohort
@flags.model
@flags.trust_factory
@flags.method
@flags.out("FITTED", "Folder for what it learned.")
@flags.options_of("method")
@flags.preset
@flags.target_class
@flags.seed
@flags.device
@flags.images
@flags.cache
@flags.spoken
def fit(cohort: Path, predictor: Path, out: Path, **settings: Any) -> None:
    """Fit a method that must learn to a predictor.

    It learns on the training split of COHORT.
    """
    from interpbench import pipeline

    pipeline.fit(cohort, predictor, out, **settings)
    say(f"Fitted in {out}")
