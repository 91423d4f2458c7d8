"""Every command with its arguments and options, as `interpbench COMMAND --help` has them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import click

from interpbench.cli.group import COMMANDS, interpbench
from reference_pages.markdown import code, paragraphs, table

COLUMNS = ("option", "value", "default", "meaning")
INTRODUCTION = """\
# Commands and options

What `interpbench COMMAND --help` prints. How commands work together is on [another page](../command-line.md)."""


def commands_page() -> str:
    """One section a command."""
    group = click.Context(interpbench, info_name="interpbench", **interpbench.context_settings)
    commands = {name: interpbench.get_command(group, name) for name in COMMANDS}
    known = {name: command for name, command in commands.items() if command is not None}
    contexts = {name: click.Context(command, group, name) for name, command in known.items()}
    shared = _shared(list(contexts.values()))
    first = next(iter(contexts.values()))
    of_all = [one for one in first.command.get_params(first) if one.name in shared]
    return paragraphs(
        INTRODUCTION,
        table(("command", "what it does"), [(f"[`{name}`](#{name})", _first_line(one)) for name, one in known.items()]),
        "## Options of every command",
        _options(first, of_all),
        *(_section(context, shared) for context in contexts.values()),
    )


def _section(context: click.Context, shared: set[str]) -> str:
    command = context.command
    own = [one for one in command.get_params(context) if one.name not in shared]
    options = [one for one in own if isinstance(one, click.Option)]
    told = _options(context, options) if options else "It has no options of its own."
    return paragraphs(f"## {command.name}", f"```\n{_usage(context)}\n```", _help(command), told)


def _usage(context: click.Context) -> str:
    """The command line with what must be given."""
    words = [context.command_path]
    parameters = context.command.get_params(context)
    words += [one.make_metavar(context) for one in parameters if isinstance(one, click.Argument)]
    needed = [one for one in parameters if isinstance(one, click.Option) and one.required]
    words += [f"{one.opts[-1]} {one.make_metavar(context)}" for one in needed]
    return " ".join([*words, "[OPTIONS]"])


def _options(context: click.Context, options: Sequence[click.Parameter]) -> str:
    return table(COLUMNS, [_row(context, one) for one in options if isinstance(one, click.Option)])


def _row(context: click.Context, option: click.Option) -> tuple[str, str, str, str]:
    spellings = ", ".join(code(one) for one in (*option.opts, *option.secondary_opts))
    told = option.get_help_extra(context).get("default", "").removeprefix("(").removesuffix(")")
    return spellings, _value(option), "must be given" if option.required else told, option.help or ""


def _value(option: click.Option) -> str:
    """What the option takes: its words, or its name and range; nothing for a switch."""
    kind = option.type
    if option.is_flag or option.count:
        return ""
    if isinstance(kind, click.Choice):
        return ", ".join(code(one) for one in kind.choices)
    word = option.metavar or kind.name.removesuffix(" range").upper()
    return ", ".join([code(word), *_bounds(kind)])


def _bounds(kind: object) -> list[str]:
    """The range of a number, in words."""
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return []
    least = "above" if kind.min_open else "at least"
    most = "below" if kind.max_open else "at most"
    bounds = ((least, kind.min), (most, kind.max))
    return [f"{words} {bound:g}" for words, bound in bounds if bound is not None]


def _shared(contexts: Sequence[click.Context]) -> set[str]:
    """Names of the options that every command has."""
    names = [{str(one.name) for one in context.command.get_params(context)} for context in contexts]
    return set.intersection(*names)


def _first_line(command: click.Command) -> str:
    return command.get_short_help_str(limit=1000)


def _help(command: click.Command) -> str:
    """The text of its help; a backspace, by which click keeps lines apart, is left out."""
    return inspect.cleandoc(command.help or "").replace("\b\n", "")
