"""`interpbench benchmark`: compare methods on predictors by every measure, with intervals and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


def _words(_context: click.Context, _parameter: click.Parameter, value: Any) -> list[str]:
    """Names from `a,b`, or from a list in a configuration file."""
    words = value.split(",") if isinstance(value, str) else value
    return [word for word in (str(one).strip() for one in words) if word]


@click.command()
@flags.cohort
@click.option(
    "--predictor",
    required=True,
    type=flags.PATH,
    multiple=True,
    metavar="MODEL",
    help="Folder of a predictor that `interpbench train` or `interpbench adopt` wrote; may be repeated. Of several,"
    " BENCH also reports what changes from network to network.",
)
@flags.trust_factory
@click.option(
    "--methods",
    default="all",
    show_default=True,
    callback=_words,
    type=click.UNPROCESSED,
    metavar="NAME,NAME",
    help="Methods to compare, separated by commas; `interpbench methods` lists them.",
)
@flags.out("BENCH", "Output folder for tables, maps and the page.")
@click.option(
    "--measures",
    default="all",
    show_default=True,
    callback=_words,
    type=click.UNPROCESSED,
    metavar="NAME,NAME",
    help="Metrics or measures to compute, separated by commas; a metric stands for all its measures.",
)
@click.option(
    "--fitted",
    type=flags.PATH,
    multiple=True,
    metavar="FITTED",
    help="Folder that `interpbench fit` wrote; may be repeated. A method that needs fitting and has none is fitted.",
)
@click.option(
    "--maps",
    type=flags.PATH,
    multiple=True,
    metavar="MAPS",
    help="Folder that `interpbench explain` wrote, whose maps are used instead of new ones; may be repeated.",
)
@flags.options_of("method or metric, written METHOD.NAME=VALUE", "METHOD")
@click.option(
    "--floors/--no-floors",
    default=True,
    show_default=True,
    help="Include the floors: maps that do not use the predictor.",
)
@click.option(
    "--blur",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="VOXELS",
    help="SD of the Gaussian that smooths a copy of each method's maps, in voxels; 0 makes no copies.",
)
@click.option(
    "--template-of",
    metavar="NAME",
    show_default="first method that needs fitting",
    help="Method whose mean map is the map of the template floor.",
)
@click.option(
    "--regions",
    type=flags.PATH,
    metavar="ATLAS",
    help="Atlas for measures over regions: a NIfTI file of integer labels in template space.",
)
@click.option(
    "--truth",
    type=flags.PATH,
    metavar="FILE",
    show_default="COHORT/truth.nii.gz if it exists",
    help="Mask of the voxels that are truly important: a NIfTI file in template space.",
)
@flags.split("test")
@flags.labels
@click.option(
    "--subjects",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    help="Number of subjects of the split to include, drawn at random; 0 includes all.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Number of subjects for metrics that make maps again; 0 uses all.",
)
@click.option(
    "--refit-subjects",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Number of training subjects when a method is fitted again to randomised weights.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of volumes in a pass through the network.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=0),
    default=0,
    show_default="0: as many as threads and memory allow",
    metavar="N",
    help="Number of parallel processes, each with one thread; always one on a GPU.",
)
@flags.target_class
@flags.seed
@flags.device
@flags.images
@flags.common_options()
def benchmark(
    cohort: Path, predictor: tuple[Path, ...], out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Compare methods, and report which map to believe.

    Every method explains the same subjects, and every measure is computed for every map. Floors (maps that do not use
    the predictor) and smoothed copies are measured too. The page in BENCH reports which conclusions the data allow.
    """
    from interpbench import pipeline

    chosen = list(participants) or None
    record = pipeline.benchmark(cohort, list(predictor), out, split=flags.part(split), participants=chosen, **settings)
    several = record.get("beliefs") is None  # of several networks: each has answers of its own
    for sentence in record["verdict"][:3] if several else [one["sentence"] for one in record["beliefs"]]:
        say(sentence)
    say(f"Open {out / 'index.html'}")
