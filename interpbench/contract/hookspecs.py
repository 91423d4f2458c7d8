"""The whole plugin contract: one entry-point group, four hooks, one record.

A plugin is a module named by an entry point in the group `interpbench`. Built-ins use the same door::

    [project.entry-points.interpbench]
    intensity = "my_package.plugin"

    # my_package/plugin.py
    from interpbench import Component, hookimpl

    INTERPBENCH_API = "1.0"  # the version of this contract that the plugin was written for

    @hookimpl
    def interpbench_explainers():
        return [Component("intensity", "my_package.explainer:Intensity", "How bright a voxel is")]
"""

from __future__ import annotations

from dataclasses import dataclass

import pluggy

ENTRY_POINT_GROUP = "interpbench"

# The version of the contract with plugins, "major.minor". The minor number rises where something is added, the major
# number where something is removed or changes its meaning. `docs/reference/plugin-api.md` has the rules.
API_VERSION = "1.0"
DECLARED_API = "INTERPBENCH_API"  # the name in a plugin's module of the version that it was written for

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@dataclass(frozen=True)
class Component:
    """What a plugin offers: a name to type, where the class is (imported only when used), one line of help."""

    name: str
    target: str  # "module:Class"
    summary: str = ""


@hookspec
def interpbench_predictors() -> list[Component]:  # type: ignore[empty-body]
    """Offer subclasses of `interpbench.Predictor`."""


@hookspec
def interpbench_explainers() -> list[Component]:  # type: ignore[empty-body]
    """Offer subclasses of `interpbench.Explainer`."""


@hookspec
def interpbench_aggregators() -> list[Component]:  # type: ignore[empty-body]
    """Offer subclasses of `interpbench.Aggregator`."""


@hookspec
def interpbench_metrics() -> list[Component]:  # type: ignore[empty-body]
    """Offer subclasses of `interpbench.Metric`."""
