"""What this plugin offers."""

from __future__ import annotations

from interpbench import Component, hookimpl


@hookimpl
def interpbench_explainers() -> list[Component]:
    """The methods that this plugin offers."""
    return [
        Component("random", "interpbench_floors.noise:Random", "Floor: white noise inside the brain"),
        Component("smoothrandom", "interpbench_floors.noise:SmoothRandom", "Floor: smooth noise inside the brain"),
        Component("intensity", "interpbench_floors.image:Intensity", "Floor: absolute intensity of the image"),
        Component("sobel", "interpbench_floors.image:Sobel", "Floor: edges of the image (Sobel filter)"),
        Component("template", "interpbench_floors.template:Template", "Floor: one map from a file for all subjects"),
    ]
