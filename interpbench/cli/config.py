"""`--config FILE.toml`: values for options that are not given on the command line.

seed = 3                    # for every command that has --seed

[explain]                   # for `interpbench explain` only
method = "unoise"

[explain.options]           # as -o name=value
r = 0.5
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from interpbench.errors import InputError, UsageError, did_you_mean
from interpbench.files.atomic import is_file
from interpbench.options import FromFile

CONFIG = "interpbench.config"  # where in `Context.meta` the file's path is
OPTIONS = "interpbench.options"  # where in `Context.meta` the table of -o values waits
CONSENT = ("trust_factory", "yes")  # options that allow code to run: a file is data and may not give them


def use_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Read the values of a configuration file as defaults; the callback of `--config`.

    Raises:
        InputError: the file cannot be read, or is not valid TOML.
        UsageError: it names a command or an option that does not exist.
    """
    if path is None:
        return
    context.meta[CONFIG] = path
    content = _read(path)
    _refuse_consent(path, content)
    name = str(context.info_name)
    commands = _commands(context)
    values: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            if key not in commands:
                raise UsageError(f"{path}: {_unknown('command', key, commands)}")
        elif _plain(key) in _parameters(context.command):
            values[_plain(key)] = value
        elif not any(_plain(key) in _parameters(command) for command in commands.values()):
            known = {name for command in commands.values() for name in _parameters(command)}
            raise UsageError(f"{path}: {_unknown('option', key, known)}")
    own = dict(content.get(name, {}))
    options = own.pop("options", {})
    if not isinstance(options, Mapping):
        raise UsageError(f"{path}, [{name}]: options must be a table, as in [{name}.options], got {options!r}.")
    context.meta[OPTIONS] = _marked(options)
    for key, value in own.items():
        if _plain(key) not in _parameters(context.command):
            raise UsageError(f"{path}, [{name}]: {_unknown('option', key, _parameters(context.command))}")
        values[_plain(key)] = value
    parameters = _parameters(context.command)
    for key, value in values.items():
        if not _can_be_given(value):
            kinds = "text, a number, true or false, or a list of them"
            raise UsageError(f"{path}: {key} must be {kinds}, got {str(value)[:60]!r}.")
    several = {one.name for one in context.command.params if isinstance(one, click.Option) and one.multiple}
    context.default_map = {
        parameters[key]: [value] if parameters[key] in several and not isinstance(value, list) else value
        for key, value in values.items()
    }


def _can_be_given(value: Any) -> bool:
    """Whether such a value can be given on the command line."""
    if isinstance(value, list):
        return all(not isinstance(one, list) and _can_be_given(one) for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**63)


def _read(path: Path) -> dict[str, Any]:
    try:
        if not is_file(path) and os.path.exists(path):  # a pipe would never end
            raise InputError(f"{path}: is not a regular file.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{str(path)[:200]}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of a number too long
        raise InputError(f"{path} is not a valid TOML file: {error}.") from error


def _refuse_consent(path: Path, content: Mapping[str, Any]) -> None:
    for key, value in content.items():
        if _plain(key) in CONSENT:
            raise UsageError(f"{path}: {key} allows code to run, so it must be given on the command line.")
        if isinstance(value, Mapping):
            _refuse_consent(path, {name: one for name, one in value.items() if name != "options"})


def _marked(value: Any) -> Any:
    """The value with all its text marked as coming from a file."""
    if isinstance(value, Mapping):
        return {name: _marked(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_marked(one) for one in value]
    return FromFile(value) if isinstance(value, str) else value


def _commands(context: click.Context) -> dict[str, click.Command]:
    group = context.parent.command if context.parent else None
    if not isinstance(group, click.Group):
        return {str(context.info_name): context.command}
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _parameters(command: click.Command) -> dict[str, str]:
    """The long names of a command's options, without dashes, mapped to their names in click."""
    options = [one for one in command.params if isinstance(one, click.Option) and one.name not in ("config", "options")]
    return {_plain(word): str(one.name) for one in options for word in one.opts if word.startswith("--")}


def _plain(word: str) -> str:
    return word.lstrip("-").replace("-", "_")


def _unknown(kind: str, word: str, known: Iterable[str]) -> str:
    return f"unknown {kind} {word!r}.{did_you_mean(_plain(word), known)} Available: {', '.join(sorted(known))}."
