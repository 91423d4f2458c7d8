"""Scale-free infidelity: how well the map predicts the effect of perturbations on the prediction.

Yeh et al. 2019 take perturbations I, what the map foretells, `u = I . a`, and what happens, `D = f(x) - f(x - I)`, and
ask for `E[(u - D)^2]`. That depends on the scale of a map, which is arbitrary; the best scale gives

    nINFD = min over c of E[(c u - D)^2] / E[D^2] = 1 - E[u D]^2 / (E[u^2] E[D^2]),

in [0, 1], lower is better, 0 for the exact attribution of a linear network.

Perturbations that suit an image of a brain are boxes: `I = x` inside a box of brain, and 0 elsewhere, so that `x - I`
has the mean there. The boxes have several edges; the figure is taken for each edge and averaged, or the largest boxes
would decide alone. The perturbations are the same for every method of a subject, and cost their forward passes once.

A map can say how fast f changes with a voxel (a gradient: `u = I . a`) or how much a voxel contributes (gradient times
input, integrated gradients, the effect of hiding it: `u = sum of a over the box`), and nothing tells which it means;
both readings are tried on every map, and the better one counts. A map without signs cannot say whether a prediction
rises or falls: it has no nINFD. Every map has `infidelity_corr`, the rank correlation between the mean importance of
the brain in a box and how far the prediction moves, |D| for each brain voxel in the box.

With `perturbation=noise`, I is Gaussian noise all over the brain, the first reading is the only one, and there is no
correlation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, NotApplicable, UsageError, check_options, option
from interpbench_measures.ordering import check_not_flat
from interpbench_measures.similarity import spearman


def normalised_infidelity(foretold: Tensor, happened: Tensor) -> float:
    """The nINFD of the effects that a map predicts for some perturbations.

    Args:
        foretold: u, `(P,)`, in any unit.
        happened: D, `(P,)`.

    Returns:
        0 to 1; 1 where the map foretells nothing at all, NaN where nothing happened.
    """
    u, d = foretold.double(), happened.double()
    size = float(d.square().sum())
    if size == 0:
        return math.nan
    own = float(u.square().sum())
    return 1.0 if own == 0 else min(1.0, max(0.0, 1 - float((u * d).sum()) ** 2 / (own * size)))


def sums_over_boxes(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Sums over boxes, by sums from the corner (integral image).

    Args:
        values: `(I, J, K)`.
        low, high: of each box, the first voxel and the one past the last along each axis, `(P, 3)`.

    Returns:
        `(P,)` float64.
    """
    table = torch.nn.functional.pad(values.double(), (1, 0, 1, 0, 1, 0)).cumsum(0).cumsum(1).cumsum(2)
    ends, total = (low, high), torch.zeros(len(low), dtype=torch.float64, device=values.device)
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                sign = (-1) ** (3 - i - j - k)
                total += sign * table[ends[i][:, 0], ends[j][:, 1], ends[k][:, 2]]
    return total


def random_boxes(brain: Tensor, edge: int, boxes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Boxes around brain voxels drawn at random, cut at the volume's border.

    Args:
        brain: `(I, J, K)` bool.
        edge: voxels.

    Returns:
        `low` and `high` of `sums_over_boxes`.
    """
    coordinates = brain.nonzero()
    drawn = torch.randint(len(coordinates), (boxes,), generator=generator).to(brain.device)
    low = coordinates[drawn] - (edge - 1) // 2
    shape = torch.tensor(brain.shape, device=brain.device)
    return low.clamp(min=0), torch.minimum(low + edge, shape)


@dataclass(frozen=True, kw_only=True)
class Infidelity(Metric):
    """Compares the effects that the map predicts for random perturbations with the true changes of the prediction."""

    perturbation: str = option(
        "boxes",
        "kind of perturbation: brain in random boxes set to 0, or noise in the whole brain",
        choices=("boxes", "noise"),
    )
    edges: tuple[float, ...] = option((12.0, 24.0, 40.0), "edge lengths of the boxes, in mm")
    draws: int = option(64, "number of perturbations for each edge length", minimum=2)
    sigma: float = option(0.2, "SD of the noise, in SDs of the image", above=0)

    def __post_init__(self) -> None:
        check_options(self)
        if not self.edges or not all(edge > 0 for edge in self.edges):
            got = ",".join(f"{edge:g}" for edge in self.edges)
            raise UsageError(f"edges of Infidelity must be above 0 mm, got {got!r}.")

    @property
    def measures(self) -> tuple[Measure, ...]:
        unsaid = Measure(
            name="ninfd",
            unit="",
            direction="lower",
            help="share of the effect of random perturbations that a signed map does not predict",
            title="Predicts the effect of changes (infidelity)",
            family="faithfulness",
            question="predicting the effect of perturbations",
            leads=1,
        )
        if self.perturbation == "noise":
            return (unsaid,)
        correlation = Measure(
            name="infidelity_corr",
            unit="",
            direction="higher",
            chance=0.0,
            help="rank correlation between the importance in random boxes and the effect of setting them to 0",
            title="Predicts the effect of hidden boxes (rank correlation)",
            family="faithfulness",
        )
        return unsaid, correlation

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        check_not_flat(case.importance[case.brain])
        if self.perturbation == "noise":
            return self._by_noise(case)
        slopes, contributions, correlations = [], [], []
        map = case.map * case.brain
        for low, high, change in self._effects_of_boxes(case):
            slopes.append(normalised_infidelity(sums_over_boxes(map * case.volume[0], low, high), change))
            contributions.append(normalised_infidelity(sums_over_boxes(map, low, high), change))
            voxels = sums_over_boxes(case.brain, low, high)
            mean = sums_over_boxes(case.importance, low, high) / voxels
            effect = change.abs() / voxels
            correlations.append(spearman(mean.cpu().numpy(), effect.cpu().numpy()))
        best = min(_mean(slopes), _mean(contributions))
        return {"ninfd": best if case.signed else math.nan, "infidelity_corr": _mean(correlations)}

    def _effects_of_boxes(self, case: Case) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each edge: `low` and `high` of the boxes, and D of each."""

        def make() -> list[tuple[Tensor, Tensor, Tensor]]:
            generator, found = case.generator("infidelity"), []
            for edge in self.edges:
                low, high = random_boxes(case.brain, max(1, round(edge / case.voxel_size)), self.draws, generator)
                batches = zip(low.split(case.batch_size), high.split(case.batch_size), strict=True)
                after = torch.cat([_without(case, *batch) for batch in batches])
                found.append((low, high, (case.prediction - after).to(low.device)))
            return found

        effects: list[tuple[Tensor, Tensor, Tensor]] = case.once(f"infidelity {self.edges} {self.draws}", make)
        return effects

    def _by_noise(self, case: Case) -> dict[str, float | Sequence[float]]:
        if not case.signed:
            raise NotApplicable("a map without signs does not predict whether noise raises or lowers a prediction")
        spread = self.sigma * case.volume[0][case.brain].std(correction=0)

        def noises() -> Iterator[Tensor]:  # one by one, as a batch of them draws other numbers than they do alone
            generator = case.generator("infidelity")
            for start in range(0, self.draws, case.batch_size):
                some = range(start, min(start + case.batch_size, self.draws))
                drawn = torch.stack([torch.randn(case.volume.shape, generator=generator) for _ in some])
                yield drawn.to(case.volume.device) * case.brain * spread

        def make() -> Tensor:
            return case.prediction - torch.cat([case.predict(case.volume - noise) for noise in noises()])

        change: Tensor = case.once(f"infidelity noise {self.sigma} {self.draws}", make)
        map = (case.map * case.brain).flatten()
        foretold = torch.cat([noise.flatten(1) @ map for noise in noises()])
        return {"ninfd": normalised_infidelity(foretold.cpu(), change)}


def _without(case: Case, low: Tensor, high: Tensor) -> Tensor:
    """Predictions with the brain inside each box set to 0, `(P,)`."""
    volumes = case.volume[None].repeat(len(low), 1, 1, 1, 1)
    for volume, (i, j, k), (a, b, c) in zip(volumes, low.tolist(), high.tolist(), strict=True):
        volume[0, i:a, j:b, k:c] *= ~case.brain[i:a, j:b, k:c]
    return case.predict(volumes)


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers; NaN where none is."""
    some = [value for value in values if not math.isnan(value)]
    return sum(some) / len(some) if some else math.nan
