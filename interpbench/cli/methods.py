"""`interpbench methods`: what is installed, from where, and what is broken."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from interpbench.cli import flags
from interpbench.contract.hookspecs import API_VERSION
from interpbench.errors import UsageError, did_you_mean
from interpbench.version import __version__

if TYPE_CHECKING:
    from interpbench.host.registry import Installed, Registry

# The types of options, in a user's words.
TYPES = {
    "int": "integer",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "int | None": "integer or none",
    "float | None": "number or none",
    "str | None": "text or none",
    "tuple[int, int, int] | int": "integer, or three as IxJxK",
    "tuple[float, ...]": "numbers separated by commas",
    "tuple[str, ...]": "words separated by commas",
}


# In the order of the table, with what a user does with one.
KINDS: dict[str, str] = {
    "explainer": "a method that makes importance maps, for `interpbench explain --method`",
    "aggregator": "it combines the maps of many subjects, for `interpbench aggregate`",
    "predictor": "a network that predicts from an image, for `interpbench train` or `adopt`",
    "metric": "it measures the quality of maps, for `interpbench benchmark --measures`",
}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@flags.common_options()
def methods(name: str | None, as_json: bool) -> None:
    """List what is installed, or describe one method or measure.

    NAME is a method, metric, network or aggregator, or a measure of a metric. With NAME, its options are listed with
    their defaults and ranges. Plugins that cannot be loaded are listed as BROKEN, with the cause.
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
        "plugin_api": API_VERSION,
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
    for one in sorted(registry.installed, key=lambda one: list(KINDS).index(one.kind)):
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
    raise UsageError(f"No component or measure is named {name!r}.{hint} Installed: {', '.join(known) or 'none'}.")


def _measures(registry: Registry) -> dict[str, Installed]:
    """The metric of each measure; metrics that cannot be made are left out."""
    found: dict[str, Installed] = {}
    for one in registry.components("metric"):
        with contextlib.suppress(Exception):  # reported when that metric itself is named
            found |= {measure["name"]: one for measure in _measured(one)}
    return found


def _measured(one: Installed) -> list[dict[str, Any]]:
    """The measures of a metric with its default options."""
    from interpbench.host.ask_metric import declared
    from interpbench.host.components import make_component

    metric, _ = make_component("metric", one.name)
    return [dataclasses.asdict(measure) for _, measure in declared([(one.name, metric)])]


def _description(registry: Registry, one: Installed) -> dict[str, Any]:
    from interpbench.options import describe_options

    component = registry.load(one.kind, one.name)
    presets = {key: dict(values) for key, values in getattr(component, "presets", {}).items()}
    described = {**_entry(registry, one), "options": describe_options(component), "presets": presets}
    if one.kind == "explainer":
        return {**described, **{name: bool(getattr(component, name)) for name in FACTS}}
    if one.kind == "metric":
        return {**described, "measures": _measured(one)}
    if one.kind == "predictor":
        return {**described, "training_options": _training_options(component)}
    return described


# What is worth knowing of a method before its options, by the attribute that declares it.
FACTS: dict[str, str] = {
    "learned": "It must be fitted to a predictor: by `interpbench fit`, or by `explain` without --fitted.",
    "floor": "It is a floor: its map does not use the network, so a method should be better than it.",
    "signed": "Its values can be below zero, where a voxel or its intensity lowers the prediction.",
}


def _training_options(component: type) -> list[dict[str, Any]]:
    """The options of training that `train -o` accepts beside those of the network; none if it cannot be trained."""
    from interpbench.options import describe_options
    from interpbench.predictor.network import NetworkPredictor
    from interpbench.training.epochs import TrainingSettings

    return describe_options(TrainingSettings) if issubclass(component, NetworkPredictor) else []


def _page(described: dict[str, Any]) -> str:
    title = "{kind} {name}, from {distribution} {version}: {summary}".format(**described)
    lines = [title, f"Kind: {KINDS[described['kind']]}."]
    lines += [fact for name, fact in FACTS.items() if described.get(name)]
    lines += ["", "Options with their defaults (-o NAME=VALUE):", *_option_lines(described["options"])]
    if not described["options"]:
        lines[-1] = "No options."
    if described["presets"]:
        lines += ["", "Presets, named sets of options (--preset NAME):"]
    for name, values in described["presets"].items():
        lines.append(f"  {name}: {', '.join(f'{key}={_text(value)}' for key, value in values.items())}")
    if described.get("training_options"):
        lines += ["", "Options of `interpbench train` (-o NAME=VALUE):"]
        lines += _option_lines(described["training_options"])
    lines += _measure_lines(described["measures"]) if "measures" in described else []
    return "\n".join(lines)


def _option_lines(options: list[dict[str, Any]]) -> list[str]:
    return [f"  {one['name']}={_text(one['default'])}  {one['help']} ({_values(one)})" for one in options]


def _values(one: dict[str, Any]) -> str:
    """The valid values of an option: its choices, or its type and range."""
    if one["choices"]:
        return f"one of {', '.join(one['choices'])}"
    name = TYPES.get(one["type"], one["type"])
    return f"{name}, {one['range']}" if one["range"] else name


def _text(value: Any) -> str:
    """A default as `-o` accepts it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _measure_lines(measures: list[dict[str, Any]]) -> list[str]:
    lines = ["", "Measures:"]
    for one in measures:
        better = f"{one['direction']} is better" if one["direction"] else "shown, not used for ranking"
        facts = [
            one["unit"].replace("{unit}", "the predictor's unit"),
            better,
            "" if one["chance"] is None else f"chance gives {one['chance']:g}",
            "needs a known ground truth" if one["needs_truth"] else "",
            f"a curve over {one['steps_name']}" if one["steps"] else "",
        ]
        meaning = f"{one['title']}: {one['help']}" if one["title"] else one["help"]
        lines.append(f"  {one['name']}  {meaning} ({'; '.join(fact for fact in facts if fact)})")
    return lines
