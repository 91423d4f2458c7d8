"""`interpbench trust`: look at what a record would import, and allow it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.voice import say
from interpbench.errors import InputError, UsageError


@click.command()
@click.argument("model", type=flags.PATH)
@click.option("--yes", is_flag=True, help="Do not ask: you have seen before what is shown.")
@flags.spoken
def trust(model: Path, yes: bool) -> None:
    """Show what a model's record would import, and allow it.

    MODEL is a folder that came from somebody else and holds a network of their own. Nothing of it is imported here.
    What you allow is this very record: after any change of it you are asked again. A model that you adopted or trained
    yourself is trusted already. Folders of `fit` and `explain` are shown likewise.
    """
    from interpbench.pipeline.trusting import allow, request_of

    request = request_of(model)
    if not request.code:
        say(f"{request.place}: names nothing that runs, so there is nothing to allow")
        return
    click.echo(f"{request.place}, {request.component!a}, asks to import and call:")
    for option, name in request.code.items():
        click.echo(f"  {option}: {name!a}, its module from: {request.origins[name]}")
    for option, value in request.others.items():
        click.echo(f"  {option}: {value!a}")
    if request.weights:
        click.echo(f"weights: {request.weights}")
    click.echo(f"record: SHA-256 {request.digest}")
    if request.trusted:
        say("It is trusted already.")
        return
    named = " and ".join(ascii(name) for name in request.code.values())
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on: read what is above, then give --yes")
        if not click.confirm(f"Its code runs as you. Trust {model} to run {named}?", default=False):
            raise InputError(f"{model}: not trusted, as you said; nothing was changed")
    place = allow(request)
    say(f"Trusted: {model} may import {named}; {place} says so, remove it to take that back")
