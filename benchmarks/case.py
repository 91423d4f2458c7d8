"""One case to compare methods on: a cohort, its predictor, its subjects, and the truth where it is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from interpbench import Predictor, Sample, load_predictor, read_cohort, read_volume, train, write_phantom
from interpbench.errors import InputError
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
    truth: Tensor | None  # (I, J, K) bool, on the predictor's grid; None where nobody knows it

    @property
    def brain(self) -> Tensor:
        """`(I, J, K)` bool: brain in at least half of the test subjects."""
        return torch.stack([sample.brain for sample in self.test]).double().mean(0) >= 0.5

    def subject_auc(self, map: Tensor, sample: Sample) -> float:
        """AUC of the truth inside the brain, of one subject's map, `(I, J, K)`."""
        return auc(map[sample.brain], self._known()[sample.brain])

    def localise(self, maps: Sequence[Tensor]) -> dict[str, Any]:
        """How well maps of the test subjects, `(I, J, K)` each, point at the truth inside the brain.

        Returns:
            `subject_auc`, the mean, with its 95 % interval by subject and the values themselves; `population_auc` of
            the mean map; n.
        """
        each = [self.subject_auc(map, sample) for map, sample in zip(maps, self.test, strict=True)]
        mean = torch.stack([map.double() for map in maps]).mean(0)
        return {
            "subject_auc": float(np.mean(each)),
            "subject_auc_interval": interval(each),
            "population_auc": auc(mean[self.brain], self._known()[self.brain]),
            "n": len(each),
            "subject_aucs": [round(value, 6) for value in each],
        }

    def blurred(self, maps: Sequence[Tensor], sigma: float) -> list[Tensor]:
        """The maps smoothed by a Gaussian of `sigma` voxels, inside the brain."""
        smooth = [torch.from_numpy(ndimage.gaussian_filter(map.double().numpy(), sigma)) for map in maps]
        return [map * sample.brain for map, sample in zip(smooth, self.test, strict=True)]

    def _known(self) -> Tensor:
        if self.truth is None:
            raise InputError("Nobody knows the truth of this cohort: no map can be held against it.")
        return self.truth


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
    return cohort_case(
        phantom,
        folder / "model",
        seed=seed,
        network=network,
        training=training,
        device=device,
        truth=phantom / "truth.nii.gz",
    )


def cohort_case(
    cohort: Path,
    model: Path,
    *,
    seed: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    device: str,
    truth: Path | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Case:
    """Train the predictor and read every subject; a predictor that is in `model` already is used again.

    Args:
        truth: an image on the cohort's grid, above 0.5 where age acts; None where nobody knows.
        recipe: what differs from the recipe that suits the cohort.
    """
    record = train(cohort, model, options=dict(network), seed=seed, device=device, recipe=recipe, **dict(training))
    predictor = load_predictor(model, device)
    with (model / "split.tsv").open(encoding="utf-8", newline="") as file:
        split_of = {row["participant_id"]: row["split"] for row in csv.DictReader(file, delimiter="\t")}
    parts: dict[str, list[Sample]] = {"train": [], "validation": [], "test": []}
    there = None if truth is None else read_volume(truth).data[0]
    for subject in read_cohort(cohort).subjects:
        prepared = predictor.recipe.prepare(subject)
        target = float("nan") if subject.age is None else subject.age
        sample = Sample(subject=subject.id, volume=prepared.volume, brain=prepared.brain, target=target)
        parts[split_of[f"sub-{subject.id}"]].append(sample)
        on_grid = None if there is None else prepared.to_network_grid(there) > 0.5
    return Case(predictor, record, parts["train"], parts["validation"], parts["test"], on_grid)


def values(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words; values are JSON where they can be."""
    found: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
