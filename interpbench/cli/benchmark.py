"""`interpbench benchmark`: many methods on one predictor, every measure, with intervals and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say


def _words(_context: click.Context, _parameter: click.Parameter, value: Any) -> list[str]:
    """Names from `a,b`, or from a list in a configuration file."""
    words = value.split(",") if isinstance(value, str) else value
    return [word for word in (str(one).strip() for one in words) if word]


@click.command()
@flags.cohort
@flags.model
@flags.trust_factory
@click.option(
    "--methods",
    default="all",
    show_default=True,
    callback=_words,
    type=click.UNPROCESSED,
    metavar="NAME,NAME",
    help="Which methods, with commas; `interpbench methods` lists them.",
)
@flags.out("BENCH", "Folder for tables, maps and page.")
@click.option(
    "--measures",
    default="all",
    show_default=True,
    callback=_words,
    type=click.UNPROCESSED,
    metavar="NAME,NAME",
    help="Which metrics or measures, with commas; a metric is taken with all its measures.",
)
@click.option(
    "--fitted",
    type=flags.PATH,
    multiple=True,
    metavar="FITTED",
    help="Folder of `interpbench fit`, may be repeated; a method that must learn and has none is fitted first.",
)
@click.option(
    "--maps",
    type=flags.PATH,
    multiple=True,
    metavar="MAPS",
    help="Folder of `interpbench explain`, whose maps are taken instead of being made; may be repeated.",
)
@flags.options_of("method or measure, as METHOD.NAME=VALUE")
@click.option("--floors/--no-floors", default=True, show_default=True, help="With the maps that know nothing.")
@click.option(
    "--blur",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="VOXELS",
    help="SD of the Gaussian that smooths a copy of each method's maps; 0 for no copies.",
)
@click.option("--template-of", metavar="NAME", help="Whose mean map is the floor `template`; else the first to learn.")
@click.option("--regions", type=flags.PATH, metavar="ATLAS", help="Labels in template space, for regions.")
@click.option(
    "--truth",
    type=flags.PATH,
    metavar="FILE",
    help="Where the importance must be, in template space; by default COHORT/truth.nii.gz, where there is one.",
)
@flags.split("test")
@flags.labels
@click.option(
    "--subjects",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    help="How many of the split take part, drawn by the seed; 0 for all.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="On how many of them methods are run again and again (sensitivity, other seeds, other weights); 0 for all.",
)
@click.option(
    "--refit-subjects",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Training subjects of a learned method that is fitted again to randomised weights.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Volumes at once.")
@click.option(
    "--processes",
    type=click.IntRange(min=0),
    default=0,
    show_default="as many as threads and memory allow",
    metavar="N",
    help="How many work on subjects side by side, each with one thread; on a GPU it is one.",
)
@flags.target_class
@flags.seed
@flags.device
@flags.images
@flags.spoken
def benchmark(
    cohort: Path, predictor: Path, out: Path, split: str, participants: tuple[str, ...], **settings: Any
) -> None:
    """Compare methods, and say which map to believe.

    Every method explains the same subjects; every measure is taken of every map, beside maps that know nothing and
    blurred copies. The page in BENCH says what the numbers allow.
    """
    from interpbench import pipeline

    people = list(participants) or None
    found = pipeline.benchmark(cohort, predictor, out, split=flags.part(split), participants=people, **settings)
    for sentence in found["verdict"][:3]:
        say(sentence)
    say(f"Open {out / 'index.html'}")
