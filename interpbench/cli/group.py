"""The group of all commands; the file of a command is imported when the command is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from interpbench.errors import UsageError, did_you_mean
from interpbench.version import __version__

# In the order in which they are used. Each is a file of this folder that holds a command of the same name.
COMMANDS = (
    "phantom",
    "check",
    "plant",
    "train",
    "adopt",
    "trust",
    "predict",
    "fit",
    "search",
    "explain",
    "aggregate",
    "benchmark",
    "verify",
    "methods",
    "demo",
)


class LazyGroup(click.Group):
    """A group that imports a command when it is used (click's documentation, "Lazily loading subcommands")."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        command: click.Command = getattr(import_module(self.lazy[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.lazy and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.lazy)
            raise UsageError(f"Unknown command {args[0]!r}.{hint} Commands: {', '.join(self.lazy)}.")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    lazy={name: f"interpbench.cli.{name}" for name in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="`interpbench COMMAND --help` shows the options of a command.",
)
@click.version_option(__version__)
@click.pass_context
def interpbench(context: click.Context) -> None:
    """Find the voxels that a 3D brain-age network uses, and test how far the answer can be trusted."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(UsageError.exit_code)
