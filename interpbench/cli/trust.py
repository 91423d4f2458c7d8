"""`interpbench trust`: show the code that a record would import, and allow it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from interpbench.cli import flags
from interpbench.cli.messages import say
from interpbench.errors import InputError, UsageError


@click.command()
@click.argument("model", type=flags.PATH)
@click.option("--yes", is_flag=True, help="Allow the code without asking.")
@flags.common_options()
def trust(model: Path, yes: bool) -> None:
    """Show the code that a model would run, and allow it or not.

    MODEL is a folder from somebody else with their own network. This command imports none of its code. Your answer
    applies to the record as it is now: after any change you are asked again. Models that you adopted or trained
    yourself are already trusted. MODEL may also be a folder that `fit` or `explain` wrote.
    """
    from interpbench.pipeline.trusting import allow, request_of

    request = request_of(model)
    if not request.code:
        say(f"{request.place}: names no code, so there is nothing to allow")
        return
    click.echo(f"{request.place}, {request.component!a}, would import and call:")
    for option, name in request.code.items():
        click.echo(f"  {option}: {name!a}, in the module {request.origins[name]}")
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
            raise UsageError("there is no terminal to ask on: read the names above, then give --yes")
        if not click.confirm(f"This code runs with your rights. Trust {model} to run {named}?", default=False):
            raise InputError(f"{model}: not trusted, as you answered; nothing was changed")
    place = allow(request)
    say(f"Trusted: {model} may import {named}; delete {place} to withdraw this")
