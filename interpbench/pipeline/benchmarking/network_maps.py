"""Maps of the same people from several networks: their mean, their spread, and how well they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.cohort.subjects import Subject
from interpbench.comparison.reliability import icc, icc_interval, mean_rank_correlation
from interpbench.comparison.statistics import interval
from interpbench.files.run_folder import sidecar_of
from interpbench.images.prepared import Prepared
from interpbench.images.volume import read_volume, write_map
from interpbench.maps.files import method_label

Regions = Callable[[Subject, Prepared], Tensor | None]
Values = NDArray[np.float64]


@dataclass(eq=False)
class NetworkMaps:
    """One method's maps from every network, subject by subject.

    Methods and networks have their own units, so a map is taken relative to its mean in the brain: 1 is as much as an
    average voxel.
    """

    method: str
    correlations: dict[str, float] = field(default_factory=dict)  # by subject
    regional: dict[str, dict[int, list[float]]] = field(default_factory=dict)  # subject -> region -> one a network
    mean: Tensor | None = None  # sum over subjects of the mean over networks, (I, J, K)
    variance: Tensor | None = None  # likewise of the variance between networks
    brains: Tensor | None = None  # number of subjects with brain there

    def add(self, label: str, maps: Sequence[Tensor], brain: Tensor, regions: Tensor | None) -> tuple[Tensor, Tensor]:
        """Take in one subject.

        Args:
            label: the subject's.
            maps: `(I, J, K)`, one a network.
            brain: `(I, J, K)` bool.
            regions: `(I, J, K)` integers, 0 for no region; None where no regions are known.

        Returns:
            Mean and SD over networks of the relative importance, `(I, J, K)`.
        """
        relative = torch.stack([_relative(map, brain) for map in maps])
        self.correlations[label] = mean_rank_correlation(relative[:, brain].numpy())
        mean, variance = relative.mean(0), relative.var(0)
        self.mean = mean if self.mean is None else self.mean + mean
        self.variance = variance if self.variance is None else self.variance + variance
        self.brains = brain.double() if self.brains is None else self.brains + brain
        if regions is not None:
            self.regional[label] = _by_region(relative, regions * brain)
        return mean, variance.sqrt()

    def figures(self) -> dict[str, Any]:
        """Correlation of maps (mean, interval, n) and intraclass correlations by region (with their median).

        A region counts that every subject has; `profile` is the intraclass correlation of the regions' means over
        subjects, which asks whether networks agree on the regions rather than on the people.
        """
        known = np.array([one for one in self.correlations.values() if np.isfinite(one)])
        numbers = set.intersection(*map(set, self.regional.values())) if self.regional else set()
        ratings = {number: np.array([one[number] for one in self.regional.values()]) for number in sorted(numbers)}
        each = {number: icc(one) for number, one in ratings.items()}
        finite = [one for one in each.values() if np.isfinite(one)]
        profile = np.array([one.mean(axis=0) for one in ratings.values()])
        return {
            "correlation": {
                "mean": float(known.mean()) if len(known) else None,
                "interval": interval(known),
                "n": len(known),
            },
            "icc": {
                "median": float(np.median(finite)) if finite else None,
                "profile": _finite(icc(profile)) if len(profile) else None,
                "regions": {
                    str(number): {
                        "icc": _finite(one),
                        "interval": icc_interval(ratings[number]),
                        "n": len(self.regional),
                    }
                    for number, one in each.items()
                },
            },
        }

    def spread(self) -> tuple[Tensor, Tensor] | None:
        """Mean over subjects and networks, and SD between networks (root mean variance over subjects); None of none."""
        if self.mean is None or self.variance is None or self.brains is None:
            return None
        count = self.brains.clamp(min=1)
        return self.mean / count, (self.variance / count).sqrt()


def compare_network_maps(
    runs: Mapping[str, Path],
    methods: Sequence[str],
    subjects: Sequence[Subject],
    prepare: Callable[[Subject], Prepared],
    regions: Regions,
    out: Path,
    *,
    one_space: bool,
) -> dict[str, NetworkMaps]:
    """Read the maps of each benchmark, and write their mean and SD between networks.

    A subject without a map of a method from one of the networks is left out of that method.

    Args:
        runs: network -> the folder of its benchmark.
        subjects: those whom all benchmarks measured.
        prepare: a subject on the networks' grid.
        regions: each subject's regions on that grid.
        out: gets `sub-X/sub-X_desc-METHOD_mean.nii.gz` and `_sd.nii.gz`, and the same over all subjects.
        one_space: whether voxels of two subjects mean the same place.
    """
    found = {method: NetworkMaps(method) for method in methods}
    for subject in subjects:
        prepared = prepare(subject)
        parts = regions(subject, prepared)
        for method, one in found.items():
            maps = _maps_of(runs, method, subject)
            if maps is None or any(not bool((map[prepared.brain] != 0).any()) for map in maps):
                continue
            mean, sd = one.add(subject.id, maps, prepared.brain, parts)
            stem = f"sub-{subject.id}_desc-{method_label(method)}"
            for name, values in (("mean", mean), ("sd", sd)):
                path = out / f"sub-{subject.id}" / f"{stem}_{name}.nii.gz"
                write_map(path, values.float(), affine=prepared.affine)
        if not one_space:
            for one in found.values():
                one.mean = one.variance = one.brains = None
        elif subject is subjects[-1]:
            for method, one in found.items():
                for name, values in zip(("mean", "sd"), one.spread() or (), strict=False):
                    write_map(out / f"{method_label(method)}_{name}.nii.gz", values.float(), affine=prepared.affine)
    return found


def _maps_of(runs: Mapping[str, Path], method: str, subject: Subject) -> list[Tensor] | None:
    name = f"sub-{subject.id}"
    paths = [
        folder / name / f"{name}_space-network_desc-{method_label(method)}_importance.nii.gz"
        for folder in runs.values()
    ]
    if not all(path.is_file() and sidecar_of(path).is_file() for path in paths):
        return None
    return [read_volume(path, constant_ok=True).data[0] for path in paths]


def _relative(map: Tensor, brain: Tensor) -> Tensor:
    importance = map.abs().double() * brain
    return importance / importance[brain].mean()


def _by_region(relative: Tensor, regions: Tensor) -> dict[int, list[float]]:
    numbers = [int(number) for number in regions.unique() if number > 0]
    return {number: relative[:, regions == number].mean(1).tolist() for number in numbers}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
