"""`interpbench explain`: an importance map for every subject, on the grid of its image."""

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
@flags.out("MAPS", "Output folder for the maps.")
@click.option(
    "--fitted",
    type=flags.PATH,
    metavar="FITTED",
    help="Folder that `interpbench fit` wrote. Without it, a method that needs fitting is fitted first.",
)
@flags.options_of("method")
@flags.preset
@flags.target_class
@flags.split("test")
@flags.labels
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of subjects that are explained together.",
)
@flags.seed
@click.option("--whole", is_flag=True, help="Keep the map's values outside the brain.")
@flags.device
@flags.images
@click.option(
    "--shard",
    metavar="K/N",
    help="Part of the subjects for this job: every N-th from number K on, counted from 0."
    " `auto` reads K and N from SLURM or from RANK and WORLD_SIZE.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first subject that fails.")
@flags.common_options()
def explain(
    cohort: Path, predictor: Path, out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Map the voxels that a predictor uses, for each subject.

    COHORT is a folder with participants.tsv, or the path of such a table. A predictor is a trained network, stored
    with the preparation of its input. By default the test split is explained: subjects that it has not learned from.

    A map is a NIfTI file on the grid of the subject's image. Higher values are more important; it is 0 outside the
    brain. The JSON file beside it records its origin, the prediction and all warnings.

    Example: `interpbench explain my_cohort --predictor model --method occlusion --out maps`
    """
    from interpbench import pipeline

    chosen = list(participants) or None
    maps = pipeline.explain(cohort, predictor, out, split=flags.part(split), participants=chosen, **settings)
    say(f"Maps written to {out}, n = {len(maps)}")
