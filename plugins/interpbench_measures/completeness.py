"""Does a map add up to the prediction, where its method claims that?

Integrated gradients, for one, promise `sum map = f(x) - f(x')` (Sundararajan et al. 2017, proposition 1). The gap is
what their sum in finite steps leaves open. `x'` is the method's own, `Explainer.reference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from interpbench import Case, Measure, Metric, NotApplicable
from interpbench.kit import UNIT


@dataclass(frozen=True, kw_only=True)
class Completeness(Metric):
    """`|sum map - (f(x) - f(x'))|` over all voxels, in the predictor's unit."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        help = "Difference between the sum of the map and f(x) - f(x'), if the method declares that they are equal"
        return (
            Measure(
                name="completeness_gap",
                unit=UNIT,
                direction="lower",
                help=help,
                title="Gap between the map's sum and the prediction",
                family="axiomatic",
                column=True,
            ),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        if case.reference is None:
            raise NotApplicable(f"{case.method!r} does not declare that its maps add up to the prediction")
        # Both by one path, so that what a faster network rounds otherwise is in both.
        prediction, reference = case.predict(torch.stack([case.volume, case.reference])).tolist()
        return {"completeness_gap": abs(float(case.map.double().sum()) - (prediction - reference))}
