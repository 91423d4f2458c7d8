"""`interpbench predict`: a predictor's number for every subject."""

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
@flags.out("TSV", "Table for the predictions.")
@flags.target_class
@flags.split("all")
@flags.labels
@flags.seed
@flags.device
@flags.images
@flags.spoken
def predict(
    cohort: Path, predictor: Path, out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Predict the subjects of a cohort."""
    from interpbench import pipeline
    from interpbench.predictor.error import describe_figures

    people = list(participants) or None
    summary = pipeline.predict(cohort, predictor, out, split=flags.part(split), participants=people, **settings)
    say(f"Predictions in {out}, n = {summary['n']}")
    for name, figures in summary["figures"].items():
        if figures:
            say(f"{name}: {describe_figures(figures, summary['unit'], summary.get('target', 'age'))}")
