"""Checks of the options of every component."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from interpbench.options import options_json, typed_options


def check_options_survive(component: Any) -> None:
    """The options go into a manifest as JSON, and an equal component comes back out of it."""
    kind = type(component)
    stored = json.dumps(options_json(component))
    rebuilt = kind(**typed_options(kind, json.loads(stored)))
    again = json.dumps(options_json(rebuilt))
    assert again == stored, f"options of {kind.__name__} changed on their way through JSON: {stored} became {again}"
    if dataclasses.is_dataclass(component):
        assert rebuilt == component, f"{component!r}, stored as {stored}, came back as {rebuilt!r}"


def check_presets(component: Any) -> None:
    """Every preset names options that exist and values that are allowed."""
    kind = type(component)
    for name, values in kind.presets.items():
        typed = typed_options(kind, values)
        preset = kind(**typed)
        differing = [option for option, value in typed.items() if getattr(preset, option) != value]
        assert not differing, f"preset {name!r} of {kind.__name__} does not set {', '.join(differing)}"
