"""`interpbench verify`: check that the files and inputs of a run are unchanged."""

from __future__ import annotations

from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.messages import print_text, say
from interpbench.errors import InputError


@click.command()
@click.argument("out", type=flags.PATH)
@flags.root
@flags.common_options()
def verify(out: Path, root: Path | None) -> None:
    """Hash a run's files and images again, and list what changed.

    OUT is the output folder of any command. The exit code is 3 if a file differs or is missing.
    """
    from interpbench.pipeline.verifying import verify as verify_run

    found = verify_run(out, root)
    for misfit in found.misfits:
        print_text(str(misfit))
    if found.misfits:
        raise InputError(f"{out}: {len(found.misfits)} files or inputs differ from the record.")
    say(f"{out}: {found.files} files agree with the record")
