"""Every built-in component of one kind: its options, presets and measures, as `interpbench methods NAME` has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interpbench.cli.methods import TYPES
from interpbench.comparison.wording import title_of
from interpbench.contract.metric import Measure
from interpbench.host.registry import Installed, Kind, discover
from interpbench.options import describe_options
from interpbench.training.epochs import TrainingSettings
from reference_pages.markdown import code, paragraphs, table

OURS = "interpbench"  # the distribution whose components are built in
MEASURE_COLUMNS = ("measure", "title", "unit", "better", "chance", "curve over", "meaning")
TITLES: Mapping[Kind, str] = {
    "explainer": "Explainers and their options",
    "predictor": "Predictors and their options",
    "aggregator": "Aggregators and their options",
    "metric": "Metrics, their options and measures",
}
ABOUT: Mapping[Kind, str] = {
    "explainer": "Formulae and sources: [U-noise](../unoise.md), [gradient methods](../gradient-methods.md),"
    " [occlusion](../occlusion.md), [floors](../floors.md).",
    "predictor": "How to [bring your own network](../../how-to/own-network.md).",
    "aggregator": "What they write: [files](files.md).",
    "metric": "Formulae and sources: measures of [faithfulness](../measures-faithfulness.md) and"
    " [of the rest](../measures-other.md).",
}
TRAINING = "## Training\n\nOf `interpbench train`, whatever the network."


def components_page(kind: Kind) -> str:
    """One section a component."""
    registry = discover()
    built_in = [one for one in registry.components(kind) if one.plugin.distribution == OURS]
    sections = [_section(one, registry.load(kind, one.name)) for one in built_in]
    training = paragraphs(TRAINING, options_table(TrainingSettings)) if kind == "predictor" else ""
    how = "An option is set by `-o NAME=VALUE`; `interpbench methods NAME` lists those of any component, plugins too."
    return paragraphs(f"# {TITLES[kind]}", how, ABOUT[kind], *sections, training)


def options_table(component: type[Any]) -> str:
    """The options of a component; a sentence where it has none."""
    described = describe_options(component)
    if not described:
        return "It has no options."
    presets: Mapping[str, Mapping[str, Any]] = getattr(component, "presets", {})
    rows = []
    for one in described:
        name = one["name"]
        given = [_value(preset[name]) if name in preset else "" for preset in presets.values()]
        kind = TYPES.get(one["type"], one["type"])
        rows.append((code(name), kind, _value(one["default"]), *given, _allowed(one), one["help"]))
    named = [f"preset {code(name)}" for name in presets]
    return table(("option", "type", "default", *named, "allowed", "meaning"), rows)


def _section(one: Installed, component: type[Any]) -> str:
    declared = component().measures if one.kind == "metric" else ()
    measures = _measures_table(declared) if declared else ""
    return paragraphs(
        f"## {one.name}", f"{one.component.summary}.", options_table(component), _place_of(declared), measures
    )


def _place_of(measures: Sequence[Measure]) -> str:
    """The family of a metric's measures, which of them leads, and which need a ground truth."""
    families = ", ".join(dict.fromkeys(one.family for one in measures))
    leading = [code(one.name) for one in sorted(measures, key=lambda one: one.leads) if one.leads]
    needing = [code(one.name) for one in measures if one.needs_truth]
    parts = [
        f"Family: {families}." if families else "",
        f"Sentences name the first of these with values: {', '.join(leading)}." if leading else "",
        f"A known ground truth is needed for {', '.join(needing)}." if needing else "",
    ]
    return " ".join(part for part in parts if part)


def _measures_table(measures: Iterable[Any]) -> str:
    rows = []
    for one in map(dataclasses.asdict, measures):
        unit = one["unit"].replace("{unit}", "the predictor's")
        chance = "" if one["chance"] is None else f"{one['chance']:g}"
        better = one["direction"] or "only shown"
        rows.append((code(one["name"]), title_of(one), unit, better, chance, one["steps_name"], one["help"]))
    return table(MEASURE_COLUMNS, rows)


def _allowed(described: Mapping[str, Any]) -> str:
    """The words or the range that an option may have."""
    return ", ".join(code(one) for one in described["choices"]) or described["range"]


def _value(default: Any) -> str:
    """A default as it is typed behind `-o NAME=`."""
    if isinstance(default, tuple):
        return code(",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in default))
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, float):
        return code(f"{default:g}")
    return "none" if default is None else code(default)
