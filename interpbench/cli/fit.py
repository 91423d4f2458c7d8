"""`interpbench fit`: fit a method that must learn from a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


@click.command()
@flags.cohort
@flags.model
@flags.trust_factory
@flags.method
@flags.out("FITTED", "Output folder for the fitted method.")
@flags.options_of("method")
@flags.preset
@flags.target_class
@flags.seed
@flags.device
@flags.images
@flags.cache
@flags.common_options()
def fit(cohort: Path, predictor: Path, out: Path, **settings: Any) -> None:
    """Fit a method to a predictor, for methods that must learn.

    The method learns from the training split of COHORT.
    """
    from interpbench import pipeline

    pipeline.fit(cohort, predictor, out, **settings)
    say(f"Fitted method written to {out}")
