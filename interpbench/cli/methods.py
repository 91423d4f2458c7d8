"""`interpbench methods`: what is installed, from where, and what is broken."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from interpbench.cli import flags
from interpbench.errors import UsageError, did_you_mean
from interpbench.version import __version__

if TYPE_CHECKING:
    from interpbench.host.registry import Installed, Registry


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@flags.spoken
def methods(name: str | None, as_json: bool) -> None:
    """List what is installed, from where, and what is broken.

    With NAME: the options of that component, and what it measures; NAME may also be a measure.
    """
    from interpbench.host.registry import discover

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
    if found:
        return found
    measures = _measures(registry)
    if name in measures:
        return [measures[name]]
    known = sorted({one.name for one in registry.installed})
    hint = did_you_mean(name, [*known, *measures])
    raise UsageError(f"Nothing is called {name!r}.{hint} Installed: {', '.join(known) or 'none'}.")


def _measures(registry: Registry) -> dict[str, Installed]:
    """The metric of each measure; those of a metric that cannot be made are left out."""
    found: dict[str, Installed] = {}
    for one in registry.components("metric"):
        with contextlib.suppress(Exception):  # told when that metric itself is asked for
            found |= {measure["name"]: one for measure in _measured(one)}
    return found


def _measured(one: Installed) -> list[dict[str, Any]]:
    """What a metric measures with its default options."""
    from interpbench.host.ask_metric import declared
    from interpbench.host.components import make_component

    metric, _ = make_component("metric", one.name)
    return [dataclasses.asdict(measure) for _, measure in declared([(one.name, metric)])]


def _description(registry: Registry, one: Installed) -> dict[str, Any]:
    from interpbench.options import describe_options

    component = registry.load(one.kind, one.name)
    presets = {key: dict(values) for key, values in getattr(component, "presets", {}).items()}
    described = {**_entry(registry, one), "options": describe_options(component), "presets": presets}
    return {**described, "measures": _measured(one)} if one.kind == "metric" else described


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
    lines += _measure_lines(described["measures"]) if "measures" in described else []
    return "\n".join(lines)


def _measure_lines(measures: list[dict[str, Any]]) -> list[str]:
    lines = ["", "Measures:"]
    for one in measures:
        better = f"{one['direction']} is better" if one["direction"] else "shown, not ranked by"
        facts = [
            one["unit"].replace("{unit}", "the predictor's unit"),
            better,
            "" if one["chance"] is None else f"chance gives {one['chance']:g}",
            "needs a known truth" if one["needs_truth"] else "",
            f"a curve over {one['steps_name']}" if one["steps"] else "",
        ]
        lines.append(f"  {one['name']}  {one['help']} ({'; '.join(fact for fact in facts if fact)})")
    return lines
