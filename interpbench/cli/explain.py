"""`interpbench explain`: an importance map for every subject, on its image's own grid."""

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
@flags.out("MAPS", "Folder for the maps.")
@click.option(
    "--fitted",
    type=flags.PATH,
    metavar="FITTED",
    help="Folder of `interpbench fit`; without it, a method that must learn is fitted first and kept.",
)
@flags.options_of("method")
@flags.preset
@flags.target_class
@flags.split("test")
@flags.labels
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Subjects at once.")
@flags.seed
@click.option("--whole", is_flag=True, help="Keep what a map says outside the brain.")
@flags.device
@flags.images
@click.option(
    "--shard",
    metavar="K/N",
    help="Every N-th subject from the K-th on, K from 0; `auto` asks SLURM, or RANK/WORLD_SIZE.",
)
@click.option("--fail-fast", is_flag=True, help="End with the first subject that fails.")
@flags.spoken
def explain(
    cohort: Path, predictor: Path, out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Map which voxels matter to a predictor, subject by subject.

    A map lies on the grid of its subject's image, cut to the brain. By default the test split of COHORT is explained.
    """
    from interpbench import pipeline

    people = list(participants) or None
    maps = pipeline.explain(cohort, predictor, out, split=flags.part(split), participants=people, **settings)
    say(f"Maps in {out}, n = {len(maps)}")
