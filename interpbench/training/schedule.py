"""Schedules of the learning rate."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

SCHEDULES = ("step", "onecycle")


def learning_rate_schedule(
    optimiser: Optimizer, kind: str, highest: float, *, epochs: int, steps: int, milestones_every: int = 10
) -> LRScheduler:
    """Make a schedule that is stepped once per training step.

    Args:
        kind: `step` divides the rate by 10 every `milestones_every` epochs; `onecycle` goes up to `highest` and down.
        highest: the highest learning rate.
        steps: in an epoch.
    """
    if kind == "onecycle":
        return OneCycleLR(optimiser, highest, total_steps=epochs * steps + 1)
    return StepLR(optimiser, milestones_every * steps, gamma=0.1)
