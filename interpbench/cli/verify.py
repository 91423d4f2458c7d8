"""`interpbench verify`: whether a run's files, and its inputs, are still those that they were."""

from __future__ import annotations

from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.voice import say
from interpbench.errors import InputError


@click.command()
@click.argument("out", type=flags.PATH)
@flags.root
@flags.spoken
def verify(out: Path, root: Path | None) -> None:
    """Hash every file of a run again, and the images it was made from; name what does not fit its record.

    OUT is the folder of any command. The exit code is 3 where something does not fit.
    """
    from interpbench.pipeline.verifying import verify as verify_run

    found = verify_run(out, root)
    for misfit in found.misfits:
        click.echo(str(misfit))
    if found.misfits:
        raise InputError(f"{out}: {len(found.misfits)} of its files or inputs do not fit their records.")
    say(f"{out}: {found.files} files are as recorded")
