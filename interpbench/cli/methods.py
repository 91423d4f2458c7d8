"""`interpbench methods`: what is installed, from where, and what is broken."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from interpbench import __version__
from interpbench.cli import flags
from interpbench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from interpbench.registry import Installed, Registry


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@flags.spoken
def methods(name: str | None, as_json: bool) -> None:
    """List what is installed, from where, and what is broken.

    With NAME: the options of that component.
    """
    from interpbench.registry import discover

    registry = discover()
    if name is None:
        click.echo(json.dumps(_listing(registry), indent=2) if as_json else _table(registry))
        return
    described = [_description(registry, one) for one in _named(registry, name)]
    click.echo(json.dumps(described, indent=2) if as_json else "\n\n".join(_page(one) for one in described))


def _listing(registry: Registry) -> dict[str, Any]:
    return {
        "interpbench": __version__,
        "plugins": [dataclasses.asdict(plugin) for plugin in registry.plugins],
        "components": [_entry(registry, one) for one in registry.installed],
    }


def _entry(registry: Registry, one: Installed) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "summary": one.component.summary,
        "plugin": one.plugin.name,
        "distribution": one.plugin.distribution,
        "version": one.plugin.version,
        "status": "CLASH" if registry.clashes(one) else "OK",
    }


def _table(registry: Registry) -> str:
    rows = [("KIND", "NAME", "FROM", "WHAT IT DOES")]
    for one in registry.installed:
        summary = f"CLASH, unusable: {one.component.summary}" if registry.clashes(one) else one.component.summary
        rows.append((one.kind, one.name, f"{one.plugin.distribution} {one.plugin.version}", summary))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    lines += [f"BROKEN  {plugin}: {plugin.cause}" for plugin in registry.plugins if plugin.status == "BROKEN"]
    return "\n".join(line.rstrip() for line in lines)


def _named(registry: Registry, name: str) -> list[Installed]:
    found = [registry.find(one.kind, name) for one in registry.installed if one.name == name]
    if not found:
        known = sorted({one.name for one in registry.installed})
        hint = did_you_mean(name, known)
        raise UsageError(f"Nothing is called {name!r}.{hint} Installed: {', '.join(known) or 'none'}.")
    return found


def _description(registry: Registry, one: Installed) -> dict[str, Any]:
    from interpbench.options import describe_options

    component = registry.load(one.kind, one.name)
    presets = {key: dict(values) for key, values in getattr(component, "presets", {}).items()}
    return {**_entry(registry, one), "options": describe_options(component), "presets": presets}


def _page(described: dict[str, Any]) -> str:
    title = "{kind} {name}, from {distribution} {version}: {summary}".format(**described)
    lines = [title, "", "Options (-o NAME=VALUE):"]
    for one in described["options"]:
        choices = f"; one of {', '.join(one['choices'])}" if one["choices"] else ""
        lines.append(f"  {one['name']}={one['default']}  {one['help']} ({one['type']}{choices})")
    if not described["options"]:
        lines[-1] = "It has no options."
    for name, values in described["presets"].items():
        lines.append(f"Preset {name}: {', '.join(f'{key}={value}' for key, value in values.items())}")
    return "\n".join(lines)
