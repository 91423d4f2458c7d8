"""A measure of twenty lines: how far from the truth's centre the map's centre is."""

from dataclasses import dataclass

import torch

from interpbench import Measure, Metric, NotApplicable, check_options, option


@dataclass(frozen=True, kw_only=True)
class CentreDistance(Metric):
    power: float = option(2.0, "exponent of the importance; higher looks at the peaks", above=0)
    measures = (
        Measure(
            name="centre_distance",
            unit="mm",
            direction="lower",
            help="From the truth's centre to the map's",
            family="localisation",
            needs_truth=True,
            question="having its centre where the truth has it",
            limits="centre_distance cannot tell a map of both hippocampi from one of what lies between them.",
            leads=1,
        ),
    )

    def __post_init__(self):
        check_options(self)

    def measure(self, case):
        if case.truth is None:
            raise NotApplicable("no truth is known")
        importance, truth = case.importance.double() ** self.power, (case.truth & case.brain).double()
        return {"centre_distance": case.voxel_size * (_centre(importance) - _centre(truth)).norm()}


def _centre(weights):
    """The mean place `(i, j, k)`, in voxels; NaN where all weights are 0."""
    places = torch.stack(torch.meshgrid(*[torch.arange(float(edge)) for edge in weights.shape], indexing="ij"))
    return (places.to(weights) * weights).sum(dim=(1, 2, 3)) / weights.sum()
