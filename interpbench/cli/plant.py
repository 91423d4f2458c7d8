"""`interpbench plant`: plant a known signal in the images of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say
from interpbench.options import split_options


def _options(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    return split_options(words)


@click.command()
@flags.cohort
@flags.out("PLANTED", "Output folder for the planted cohort.")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["contrast", "atrophy", "lesion"]),
    help="Kind of signal: contrast scales the intensity of a region, atrophy shrinks or enlarges it, lesion places a"
    " blob that grows.",
)
@click.option(
    "--region",
    metavar="VALUES",
    help="Region in which the signal is planted: values of each subject's `labels`, or of the atlas, such as 47,48.",
)
@click.option(
    "--atlas",
    type=flags.PATH,
    metavar="FILE",
    show_default="each subject's `labels`",
    help="Label image in the space of the images, from which the regions are taken.",
)
@click.option(
    "--sphere",
    "spheres",
    multiple=True,
    metavar="X,Y,Z,R",
    help="Sphere in which the signal is planted instead of a region: centre and radius in mm; may be repeated.",
)
@click.option(
    "-o",
    "options",
    multiple=True,
    callback=_options,
    metavar="NAME=VALUE",
    help="Option of the kind, such as filled_by=fluid; may be repeated. The how-to page lists them.",
)
@click.option(
    "--distractor",
    "distractors",
    multiple=True,
    metavar="KIND:VALUES[:STRENGTH]",
    help="Signal in another region that is unrelated to the target; may be repeated. X/Y/Z/R in place of VALUES is a"
    " sphere.",
)
@click.option(
    "--suppressor",
    "suppressors",
    multiple=True,
    metavar="KIND:VALUES[:STRENGTH]",
    help="Signal in another region that is unrelated to the target, but is added to it in the region of the target;"
    " may be repeated.",
)
@click.option(
    "--column",
    metavar="COLUMN",
    show_default="drawn from a normal distribution",
    help="Column of numbers in participants.tsv that becomes the target.",
)
@click.option(
    "--r2",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Share of the target's variance that a linear reader explains; it sets the strength.",
)
@click.option(
    "--strength",
    type=click.FloatRange(min=0, min_open=True),
    metavar="C",
    show_default="set by --r2",
    help="Strength per SD of the target: a share of the intensity (contrast), mm (atrophy), or growth of the logarithm"
    " of the radius (lesion).",
)
@flags.seed
@flags.images
@flags.common_options()
def plant(cohort: Path, out: Path, **settings: Any) -> None:
    """Plant a known signal in the images of a cohort.

    The folder PLANTED is an ordinary cohort. Its column `planted` is the target, and `truth` names the mask of the
    voxels that the target changed in each subject.
    """
    from interpbench import pipeline

    record = pipeline.plant(cohort, out, **settings)
    main, r2 = record["signals"][0], record["r2"]
    say(f"{record['n']} subjects written to {out}; strength {main['strength']:g} {main['strength_unit']}")
    if r2 is None:
        say(f"{record['r2_unknown']}.")
        return
    outside = "n/a" if r2["outside_truth"] is None else f"{r2['outside_truth']:.2f}"
    say(
        f"R2 of a linear reader, n = {r2['n']}: {r2['before']:.2f} before planting, {r2['reached']:.2f} after it,"
        f" {outside} outside the truth"
    )
