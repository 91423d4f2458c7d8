"""`interpbench phantom`: write a synthetic cohort whose ground truth is known."""

from __future__ import annotations

from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


@click.command()
@click.argument("out", type=flags.PATH)
@click.option("--subjects", type=click.IntRange(min=1), default=240, show_default=True, help="Number of subjects.")
@click.option(
    "--voxel-size",
    type=click.FloatRange(min=1, max=10),
    default=4.0,
    show_default=True,
    metavar="MM",
    help="Voxel size, in mm.",
)
@click.option(
    "--kind",
    type=click.Choice(["plain", "personal"]),
    default="plain",
    show_default=True,
    help="Same places of ageing in all subjects, or a mixture of places that is personal.",
)
@flags.seed
@flags.common_options()
def phantom(out: Path, subjects: int, voxel_size: float, seed: int, kind: str) -> None:
    """Make a synthetic ageing cohort whose ground truth is known.

    The images (NIfTI) and participants.tsv are written to the folder OUT.
    """
    from interpbench.phantom import write_phantom

    write_phantom(out, subjects=subjects, voxel_size=voxel_size, seed=seed, kind=kind)
    say(f"{subjects} subjects written to {out}")
