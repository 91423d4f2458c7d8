"""An explainer of fifteen lines: how steeply the prediction changes with a voxel."""

from dataclasses import dataclass

import torch

from interpbench import Explainer, check_options, option


@dataclass(frozen=True, kw_only=True)
class Slope(Explainer):
    power: float = option(1.0, "exponent of the slope", above=0)

    def __post_init__(self):
        check_options(self)

    def explain(self, predictor, volumes):
        inputs = volumes.detach().clone().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
        return gradient[:, 0].abs() ** self.power
