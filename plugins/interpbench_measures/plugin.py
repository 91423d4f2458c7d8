"""The built-in measures, through the same door as anybody's."""

from __future__ import annotations

from interpbench import Component, hookimpl


@hookimpl
def interpbench_metrics() -> list[Component]:
    """The measures that this plugin offers."""
    here = "interpbench_measures"
    return [
        Component(
            "localisation", f"{here}.localisation:Localisation", "Agreement of the map with a known ground truth"
        ),
        Component(
            "person", f"{here}.person:Person", "Agreement of the map with its own person's ground truth, not others'"
        ),
        Component(
            "deletion",
            f"{here}.deletion:Deletion",
            "Change of the prediction when important or unimportant voxels are hidden",
        ),
        Component(
            "region_deletion",
            f"{here}.region_deletion:RegionDeletion",
            "Change of the prediction when important or unimportant regions are hidden",
        ),
        Component(
            "noise_tolerance",
            f"{here}.noise_tolerance:NoiseTolerance",
            "Change of the prediction by noise at unimportant voxels",
        ),
        Component(
            "infidelity", f"{here}.infidelity:Infidelity", "Prediction of the effects of perturbations by the map"
        ),
        Component(
            "sensitivity", f"{here}.sensitivity:Sensitivity", "Change of the map when the image changes slightly"
        ),
        Component("repeatability", f"{here}.repeatability:Repeatability", "Agreement of maps with different seeds"),
        Component(
            "randomisation",
            f"{here}.randomisation:Randomisation",
            "Change of the map when the network's weights are shuffled",
        ),
        Component(
            "complexity", f"{here}.complexity:Complexity", "Gini index and entropy of the map, not used for ranking"
        ),
        Component(
            "completeness",
            f"{here}.completeness:Completeness",
            "Difference between the sum of the map and the prediction",
        ),
        Component("cost", f"{here}.cost:Cost", "Time, passes through the network, and memory"),
    ]
