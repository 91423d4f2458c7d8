"""How far does a map move when the image hardly does?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, check_options, option


def max_sensitivity(
    explain: Callable[[Tensor], Tensor], map: Tensor, volumes: Iterable[Tensor], brain: Tensor
) -> float:
    """The largest change of a map among slightly changed images (Yeh et al. 2019, definition 3).

    `max_d ||Phi(x + d) - Phi(x)|| / ||Phi(x)||`, with Euclidean norms over the brain's voxels. Yeh et al. do not
    divide; Captum's `sensitivity_max` does, and so maps of any scale compare.

    Args:
        explain: Phi, from `(1, I, J, K)` to `(I, J, K)`.
        map: Phi(x).
        volumes: x + d, each `(1, I, J, K)`.
        brain: `(I, J, K)` bool.

    Returns:
        At least 0; NaN where the map is zero.
    """
    first = map[brain].double()
    size = float(first.norm())
    if size == 0:
        return float("nan")
    return max(float((explain(volume)[brain].double() - first).norm()) / size for volume in volumes)


def perturbed(
    volume: Tensor, brain: Tensor, *, radius: float, samples: int, generator: torch.Generator
) -> list[Tensor]:
    """Copies of a volume with `d` added: uniform in `[-radius, radius]` for each voxel of the brain, 0 outside.

    Args:
        volume: `(1, I, J, K)`.
        brain: `(I, J, K)` bool.
        radius: in the volume's unit.
        generator: on the CPU.
    """
    shifts = [radius * (2 * torch.rand(volume.shape, generator=generator) - 1) for _ in range(samples)]
    return [volume + shift.to(volume) * brain for shift in shifts]


@dataclass(frozen=True, kw_only=True)
class Sensitivity(Metric):
    """Max-sensitivity of the method at this subject."""

    repeats: ClassVar[bool] = True

    radius: float = option(0.1, "maximum change of a voxel, in SDs of the volume inside the brain", above=0)
    samples: int = option(2, "number of perturbations, of which the worst is used", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def measures(self) -> tuple[Measure, ...]:
        help = f"Largest relative change of the map when each voxel moves by up to {self.radius:g} SD"
        return (
            Measure(
                name="max_sensitivity",
                unit="",
                direction="lower",
                help=help,
                title="Change of the map when the image hardly changes",
                family="robustness",
                question="stability under small changes of the image",
                leads=1,
            ),
        )

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        volumes = case.once(f"perturbed by {self.radius}, {self.samples} times", lambda: self._perturbed(case))
        found = max_sensitivity(lambda volume: case.explain(volume=volume), case.map, volumes, case.brain)
        return {"max_sensitivity": found}

    def _perturbed(self, case: Case) -> list[Tensor]:
        spread = float(case.volume[0][case.brain].double().std(correction=0))
        return perturbed(
            case.volume,
            case.brain,
            radius=self.radius * spread,
            samples=self.samples,
            generator=case.generator("sensitivity"),
        )
