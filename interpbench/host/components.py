"""Makes a component from a name and options that a user gave."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from interpbench.errors import UsageError, did_you_mean
from interpbench.host.foreign import asking
from interpbench.host.registry import Installed, Kind, discover
from interpbench.options import FromFile, option_fields, options_json, typed_options


def make_component(
    kind: Kind,
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    seed: int | None = None,
) -> tuple[Any, Installed]:
    """Make an installed component.

    Args:
        options: values by name, as text or typed; they go over those of the preset.
        preset: one of the class's named sets of options.
        seed: the value of its option `seed`, where it has one that nobody set.

    Returns:
        The component, and where it comes from.

    Raises:
        UsageError: no such component, preset or option, or a value that is not allowed.
        PluginError: the component cannot be made.
    """
    registry = discover()
    installed = registry.find(kind, name)
    found = registry.load(kind, name)
    with asking(f"{kind} {name!r} ({installed.plugin})", what="cannot be made"):
        values = {**_preset(found, name, preset), **(options or {})}
        if seed is not None and has_seed(found):
            values.setdefault("seed", seed)
        _refuse_code_of_files(found, values)
        component = found(**typed_options(found, values))
        options_json(component)  # they are to be recorded
    return component, installed


def has_seed(component: type) -> bool:
    """Whether a component class has an option `seed`."""
    return any(field.name == "seed" for field in option_fields(component))


def accepts(function: Any, argument: str) -> bool:
    """Whether a function takes this keyword argument."""
    parameters = inspect.signature(function).parameters.values()
    return any(one.name == argument or one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)


def _refuse_code_of_files(component: type, values: Mapping[str, Any]) -> None:
    for field in option_fields(component):
        if field.metadata.get("runs") and _from_file(values.get(field.name)):
            raise UsageError(
                f"{field.name} of {component.__name__} names code to run, which is not allowed in a configuration file:"
                f" give it on the command line, as -o {field.name}=..."
            )


def _from_file(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_from_file(one) for one in value.values())
    return isinstance(value, FromFile) or (isinstance(value, list | tuple) and any(_from_file(one) for one in value))


def _preset(component: type, name: str, preset: str | None) -> dict[str, Any]:
    if preset is None:
        return {}
    presets: Mapping[str, Mapping[str, Any]] = getattr(component, "presets", {})
    if preset not in presets:
        known = ", ".join(presets) or "none"
        raise UsageError(
            f"{name!r} has no preset {preset!r}.{did_you_mean(preset, presets)} Available presets: {known}."
        )
    return dict(presets[preset])
