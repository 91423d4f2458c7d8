"""One case to compare methods on: a phantom cohort, a predictor trained on it, its subjects, and the truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from interpbench import Predictor, Sample, load_predictor, read_cohort, read_volume, train, write_phantom
from interpbench.kit import auc
from interpbench.predictor.error import interval


@dataclass(frozen=True, eq=False)
class Case:
    """A predictor and the subjects of each split on its grid."""

    predictor: Predictor
    record: Mapping[str, Any]  # of its training
    training: Sequence[Sample]
    validation: Sequence[Sample]
    test: Sequence[Sample]
    truth: Tensor  # (I, J, K) bool, on the predictor's grid

    @property
    def brain(self) -> Tensor:
        """`(I, J, K)` bool: brain in at least half of the test subjects."""
        return torch.stack([sample.brain for sample in self.test]).double().mean(0) >= 0.5

    def localise(self, maps: Sequence[Tensor]) -> dict[str, Any]:
        """How well maps of the test subjects, `(I, J, K)` each, point at the truth inside the brain.

        Returns:
            `subject_auc`, the mean, with its 95 % interval by subject and the values themselves; `population_auc` of
            the mean map; n.
        """
        each = [auc(map[sample.brain], self.truth[sample.brain]) for map, sample in zip(maps, self.test, strict=True)]
        mean = torch.stack([map.double() for map in maps]).mean(0)
        return {
            "subject_auc": float(np.mean(each)),
            "subject_auc_interval": interval(each),
            "population_auc": auc(mean[self.brain], self.truth[self.brain]),
            "n": len(each),
            "subject_aucs": [round(value, 6) for value in each],
        }

    def blurred(self, maps: Sequence[Tensor], sigma: float) -> list[Tensor]:
        """The maps smoothed by a Gaussian of `sigma` voxels, inside the brain."""
        smooth = [torch.from_numpy(ndimage.gaussian_filter(map.double().numpy(), sigma)) for map in maps]
        return [map * sample.brain for map, sample in zip(smooth, self.test, strict=True)]


def make_case(
    folder: Path,
    *,
    subjects: int,
    voxel_size: float,
    seed: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    device: str,
) -> Case:
    """Write the phantom, train the predictor, and read every subject; what is in `folder` already is used again.

    Args:
        voxel_size: mm.
        network, training: options of the ResNet-18, and arguments of `interpbench.train`.
    """
    phantom = write_phantom(folder / "phantom", subjects=subjects, voxel_size=voxel_size, seed=seed)
    record = train(phantom, folder / "model", options=dict(network), seed=seed, device=device, **dict(training))
    predictor = load_predictor(folder / "model", device)
    with (folder / "model" / "split.tsv").open(encoding="utf-8", newline="") as file:
        split_of = {row["participant_id"]: row["split"] for row in csv.DictReader(file, delimiter="\t")}
    parts: dict[str, list[Sample]] = {"train": [], "validation": [], "test": []}
    truth_file = read_volume(phantom / "truth.nii.gz").data[0]
    for subject in read_cohort(phantom).subjects:
        prepared = predictor.recipe.prepare(subject)
        target = float("nan") if subject.age is None else subject.age
        sample = Sample(subject=subject.id, volume=prepared.volume, brain=prepared.brain, target=target)
        parts[split_of[f"sub-{subject.id}"]].append(sample)
        truth = prepared.to_network_grid(truth_file) > 0.5
    return Case(predictor, record, parts["train"], parts["validation"], parts["test"], truth)
