"""`interpbench check`: every problem of a cohort, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.voice import say
from interpbench.errors import InputError


@click.command()
@flags.cohort
@click.option("--headers-only", is_flag=True, help="Do not read the voxels: milliseconds a subject.")
@flags.spoken
def check(cohort: Path, headers_only: bool) -> None:
    """List every problem of a cohort, before any compute.

    COHORT is a folder with participants.tsv, or the path of such a table. The exit code is 3 where there is
    a problem.
    """
    from interpbench.cohort import read_cohort
    from interpbench.cohort_check import check_cohort

    found = read_cohort(cohort)
    problems = check_cohort(found, voxels=not headers_only)
    for problem in problems:
        click.echo(str(problem))
    if problems:
        plural = "s" if len(problems) > 1 else ""
        raise InputError(f"{found.table}: {len(problems)} problem{plural} among {len(found.subjects)} usable subjects.")
    say(f"{found.describe()}; no problems")
