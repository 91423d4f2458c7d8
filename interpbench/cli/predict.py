"""`interpbench predict`: a prediction for every subject."""

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
@flags.out("TSV", "Output table of the predictions.")
@flags.target_class
@flags.split("all")
@flags.labels
@flags.seed
@flags.device
@flags.images
@flags.common_options()
def predict(
    cohort: Path, predictor: Path, out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Predict the age, or another target, of every subject.

    COHORT is a folder with participants.tsv, or the path of such a table.
    """
    from interpbench import pipeline
    from interpbench.predictor.error import describe_figures

    chosen = list(participants) or None
    summary = pipeline.predict(cohort, predictor, out, split=flags.part(split), participants=chosen, **settings)
    say(f"Predictions written to {out}, n = {summary['n']}")
    for name, figures in summary["figures"].items():
        if figures:
            say(f"{name}: {describe_figures(figures, summary['unit'], summary.get('target', 'age'))}")
