"""Deletion: hide the most important voxels first, then the least important first, and watch the prediction.

With `x_q` the volume without `q` % of its brain voxels, `D(q) = |f(x_q) - f(x)|`. A good map's most relevant voxels
move the prediction at once (MoRF), its least relevant ones hardly (LeRF), and the gap between the two curves is what
the map knows:

    SRG = integral of D_MoRF(q) - D_LeRF(q) over q      (symmetric relevance gain, Bluecher et al., arXiv 2401.06654)

q as a fraction, by the trapezoid rule. What an imputer does to the network apart from the map, it does in both curves,
and the difference is without it. A random map gets 0 on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, NotApplicable, UsageError, check_options, option
from interpbench.kit import UNIT
from interpbench_measures.imputers import IMPUTERS, SHORT, WORDS, check_imputers, impute
from interpbench_measures.ordering import check_not_flat, on_grid, places

STEPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 90.0)  # percent
HALF = 50.0  # percent
LEADING = ("mean", "road", "blur", "noise", "zero")  # imputers: what leaves an image most like a brain leads
LIMITS = (
    "Deletion shows the network images unlike those that it was trained on. A part of what it measures is the"
    " network's response to such images."
)


def symmetric_relevance_gain(steps: Sequence[float], morf: Sequence[float], lerf: Sequence[float]) -> float:
    """The area between two deletion curves, trapezoid rule.

    Args:
        steps: what is hidden at each point, in percent.
        morf, lerf: D at each of them, in the predictor's unit.

    Returns:
        In the predictor's unit, times the fraction over which it was taken.
    """
    most, least, share = torch.tensor([list(morf), list(lerf), list(steps)], dtype=torch.float64)
    return float(torch.trapezoid(most - least, share / 100))


def hidden_voxels(place: Tensor, brain: Tensor, steps: Sequence[float]) -> Tensor:
    """The sets of voxels to hide: the most relevant first, for each step, then the least relevant first.

    Args:
        place: of each brain voxel in the order of importance, `(N,)`, from `places`.
        brain: `(I, J, K)` bool.
        steps: percent of the brain's voxels.

    Returns:
        `(2 * len(steps), I, J, K)` bool.
    """
    voxels = len(place)
    counts = [round(step / 100 * voxels) for step in steps]
    grid = on_grid(place, brain, voxels)
    most = [grid < count for count in counts]
    least = [(grid >= voxels - count) & brain for count in counts]
    return torch.stack(most + least)


GAIN = "extra change of the prediction if important voxels are hidden first, not last (area between curves)"


def check_steps(steps: Sequence[float], component: str) -> None:
    """Refuse steps that do not rise from 0 % to at most 100 %.

    Raises:
        UsageError: with the steps.
    """
    rising = all(first < second for first, second in pairwise(steps))
    if len(steps) < 2 or steps[0] != 0 or not rising or not steps[-1] <= 100:
        got = ",".join(f"{step:g}" for step in steps)
        raise UsageError(f"steps of {component} must be percentages that increase from 0 to at most 100, got {got!r}.")


@dataclass(frozen=True, kw_only=True)
class Deletion(Metric):
    """Hide the most and the least important voxels, in several ways, and compare what the prediction does."""

    imputers: tuple[str, ...] = option(IMPUTERS, f"imputers that replace hidden voxels, some of {','.join(IMPUTERS)}")
    steps: tuple[float, ...] = option(STEPS, "percentages of brain voxels to hide, increasing from 0")
    copies: int = option(2, "number of imputers, the last ones of the list, for smoothed copies of maps", minimum=0)
    blur: float = option(12.0, "SD of the Gaussian for the imputer blur, in mm", above=0)

    def __post_init__(self) -> None:
        check_options(self)
        check_imputers(self.imputers, "Deletion")
        check_steps(self.steps, "Deletion")

    @property
    def measures(self) -> tuple[Measure, ...]:
        found = []
        for name in self.imputers:
            how = f"hidden voxels hold {WORDS[name]}"
            found += [
                Measure(
                    name=f"srg_{name}",
                    unit=UNIT,
                    direction="higher",
                    chance=0.0,
                    help=f"{GAIN}; {how}",
                    title=f"Prediction changes where the map says ({SHORT[name]})",
                    family="faithfulness",
                    question="deletion, voxel by voxel",
                    limits=LIMITS,
                    leads=1 + LEADING.index(name),
                    column=True,
                    variant=name,
                    varied="stands in for hidden voxels",
                ),
                *self._curves("", "Change", name, f"change of the prediction, {{}} relevant voxels first; {how}"),
                *self._curves(
                    "error_", "Added error", name, f"added absolute error, {{}} relevant voxels first; {how}"
                ),
                Measure(
                    name=f"top_half_error_{name}",
                    unit=UNIT,
                    direction="lower",
                    help=f"absolute error with the most relevant half of the brain visible; {how}",
                    title=f"Error with only the important half visible ({SHORT[name]})",
                    family="faithfulness",
                    limits=LIMITS,
                ),
            ]
        return tuple(found)

    def _curves(self, prefix: str, title: str, imputer: str, help: str) -> list[Measure]:
        """Two curves on one axis: the most relevant voxels first, and the least relevant first."""
        return [
            Measure(
                name=f"{prefix}{order}_{imputer}",
                unit=UNIT,
                direction=None,
                help=help.format(first),
                title=f"{title}, {first} important first ({SHORT[imputer]})",
                steps=self.steps,
                steps_name="brain voxels hidden (%)",
                family="faithfulness",
                axis=f"{prefix}{imputer}",
            )
            for order, first in (("morf", "most"), ("lerf", "least"))
        ]

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        importance = case.importance[case.brain]
        check_not_flat(importance)
        steps = sorted({*self.steps, HALF} - {0.0})
        hidden = hidden_voxels(places(importance, case.generator("ties")), case.brain, steps)
        figures: dict[str, float | Sequence[float]] = {}
        asked = self.imputers[-self.copies :] if case.copy_of else self.imputers
        for name in self.imputers:
            try:
                if name not in asked:
                    raise NotApplicable(f"copies are measured with {', '.join(asked)} only")
                clean, predictions = case.prediction, case.predict(impute(case, hidden, name, blur=self.blur)).tolist()
            except NotApplicable:
                clean, predictions = math.nan, [math.nan] * len(hidden)
            most = {0.0: clean, **dict(zip(steps, predictions[: len(steps)], strict=True))}
            least = {0.0: clean, **dict(zip(steps, predictions[len(steps) :], strict=True))}
            figures |= self._figures(case, name, most, least)
        return figures

    def _figures(
        self, case: Case, name: str, most: Mapping[float, float], least: Mapping[float, float]
    ) -> dict[str, float | Sequence[float]]:
        """The figures of one imputer, from the prediction at each step."""
        clean_error = abs(case.prediction - case.target)
        curves: dict[str, list[float]] = {}
        for order, predictions in (("morf", most), ("lerf", least)):
            values = [predictions[step] for step in self.steps]
            curves[f"{order}_{name}"] = [abs(value - case.prediction) for value in values]
            curves[f"error_{order}_{name}"] = [abs(value - case.target) - clean_error for value in values]
        gain = symmetric_relevance_gain(self.steps, curves[f"morf_{name}"], curves[f"lerf_{name}"])
        return {**curves, f"srg_{name}": gain, f"top_half_error_{name}": abs(least[HALF] - case.target)}
