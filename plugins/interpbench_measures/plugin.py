"""The built-in measures, through the same door as anybody's."""

from __future__ import annotations

from interpbench import Component, hookimpl


@hookimpl
def interpbench_metrics() -> list[Component]:
    """The measures that this plugin offers."""
    here = "interpbench_measures"
    return [
        Component("localisation", f"{here}.localisation:Localisation", "Does the map point at a known truth?"),
        Component("deletion", f"{here}.deletion:Deletion", "Hide the most and the least important voxels"),
        Component("region_deletion", f"{here}.region_deletion:RegionDeletion", "The same, whole regions at a time"),
        Component("noise_tolerance", f"{here}.noise_tolerance:NoiseTolerance", "Noise where the map says unimportant"),
        Component("infidelity", f"{here}.infidelity:Infidelity", "Does the map foretell what a perturbation does?"),
        Component("sensitivity", f"{here}.sensitivity:Sensitivity", "How far the map moves with a small change of x"),
        Component("repeatability", f"{here}.repeatability:Repeatability", "The same map with another seed?"),
        Component("randomisation", f"{here}.randomisation:Randomisation", "Does the map change with the weights?"),
        Component("complexity", f"{here}.complexity:Complexity", "Gini index and entropy; shown, never ranked by"),
        Component("completeness", f"{here}.completeness:Completeness", "Does the map add up to the prediction?"),
        Component("cost", f"{here}.cost:Cost", "Seconds, passes through the network, memory"),
    ]
