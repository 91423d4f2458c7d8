"""What this plugin offers."""

from interpbench import Component, hookimpl


@hookimpl
def interpbench_explainers() -> list[Component]:
    """The methods that this plugin offers."""
    return [
        Component(
            "unoise", "interpbench_unoise.explainer:UNoise", "Learned noise that each voxel tolerates (Bintsi 2021)"
        )
    ]


@hookimpl
def interpbench_aggregators() -> list[Component]:
    """The aggregators that this plugin offers."""
    return [
        Component(
            "population",
            "interpbench_unoise.population:Population",
            "Mean map, its top 10 % of voxels, smoothed (Bintsi 2021)",
        )
    ]
