"""What this plugin offers."""

from __future__ import annotations

from interpbench import Component, hookimpl


@hookimpl
def interpbench_explainers() -> list[Component]:
    """The methods that this plugin offers."""
    return [
        Component(
            "occlusion", "interpbench_occlusion.explainer:Occlusion", "Change of the prediction when a box is hidden"
        )
    ]
