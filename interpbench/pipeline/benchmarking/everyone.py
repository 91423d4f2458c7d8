"""The people with whom each map of a benchmark is compared, and what their maps and truths have in common.

Only where the images share a space: elsewhere one person's truth has no place in another's map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.cohort.subjects import Subject
from interpbench.contract.everyone import Everyone
from interpbench.images.volume import Volume
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.making import FoundMaps, maps_of_subject
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.pipeline.benchmarking.participants import drawn
from interpbench.pipeline.benchmarking.truths import truth_of
from interpbench.progress import track
from interpbench.run.identity import digest_of

FEWEST = 3  # people who can be compared; of two, one loses what the other gains
MOST = 200  # people with whom each is compared; of more, so many are drawn by the seed
NO_SPACE = "the images share no space, so subjects cannot be compared"
ONE_TRUTH = "all subjects have the same ground truth, so no map can follow one of them more than another"
READ = ("image_sha256", "mask_sha256", "truth_sha256")  # of each person, by whoever is compared with them


@dataclass(frozen=True, eq=False)
class _Truths:
    """Ground truths by label, one bit a voxel, and the brain that their subjects share, `(I, J, K)`."""

    brain: NDArray[np.bool_]
    bits: Mapping[str, NDArray[np.uint8]]

    def of(self, label: str) -> NDArray[np.bool_]:
        """One person's, `(I, J, K)`: what lies in the common brain."""
        found = np.unpackbits(self.bits[label], count=self.brain.size).view(bool).reshape(self.brain.shape)
        return found & self.brain

    def on(self, label: str, device: torch.device) -> Tensor:
        return torch.from_numpy(self.of(label)).to(device)


@dataclass(frozen=True, eq=False, kw_only=True)
class PeopleToCompare:
    """Finds out what the maps and truths of a benchmark's subjects have in common."""

    maps: MapSource
    base: Sequence[Contestant]  # one a method, not blurred
    contestants: Sequence[Contestant]
    truth: Volume | None  # one for all
    seed: int

    def sha256(self, found: FoundMaps) -> str:
        """Of all that figures depend on which compare people, beside their own subject's files and what all share."""
        people = self._with_truth(found)
        read = [[one.id, *(self.maps.study.read_of("benchmark", one)[name] for name in READ)] for one in people]
        labels = {one.id for one in people}
        return digest_of([read, sorted(key for key in found.missing if key[0] in labels)])

    def known(self, found: FoundMaps) -> dict[str, Everyone | str]:
        """For each contestant by name, the people with whom its maps are compared; or why there are none."""
        truths = self._truths(found)
        if isinstance(truths, str):
            return dict.fromkeys((one.name for one in self.contestants), truths)
        labels: dict[str, list[str]] = {one.name: [] for one in self.contestants}
        means = {one.name: _Mean(np.zeros(truths.brain.shape)) for one in self.contestants}
        people = [one for one in found.subjects if one.id in truths.bits]
        for subject in track(people, "comparing people", unit="subject"):
            prepared = self.maps.study.prepared.whole(subject)
            made = dict(maps_of_subject(subject, prepared, self.base, self.maps, found))
            for one in self.contestants:
                if one.method in made:
                    labels[one.name].append(subject.id)
                    importance = one.finished(made[one.method], prepared.brain).abs().double().cpu().numpy()
                    means[one.name].add(np.where(truths.brain, importance, 0.0))
        device, mean_truth = self.maps.device, lru_cache(maxsize=1)(partial(_mean_truth, truths))
        brain = torch.from_numpy(truths.brain).to(device)
        return {
            name: Everyone(
                labels=tuple(some),
                truth_of=partial(truths.on, device=device),
                common_brain=brain,
                mean_importance=torch.from_numpy(means[name].mean).to(device),
                mean_truth=torch.from_numpy(mean_truth(tuple(some))).to(device),
            )
            if len(some) >= FEWEST
            else _too_few(len(some), "a ground truth and a map by this method")
            for name, some in labels.items()
        }

    def _with_truth(self, found: FoundMaps) -> list[Subject]:
        return [one for one in found.subjects if one.truth is not None or self.truth is not None]

    def _truths(self, found: FoundMaps) -> _Truths | str:
        """The truths of those who are compared; or why nobody is."""
        people = self._with_truth(found)
        if self.maps.study.recipe.centre is None:
            return NO_SPACE
        if len(people) < FEWEST:
            return _too_few(len(people), "a ground truth")
        if all(one.truth is None for one in people):
            return ONE_TRUTH
        compared = {one.id for one in drawn(people, MOST, self.seed)}
        bits, brain = dict[str, NDArray[np.uint8]](), np.ones(self.maps.study.recipe.shape, bool)
        for subject in track(people, "reading ground truths", unit="subject"):
            prepared = self.maps.study.prepared.whole(subject)
            brain &= prepared.brain.numpy()
            if subject.id in compared:
                truth = truth_of(subject, self.truth, prepared)
                bits[subject.id] = np.packbits(np.zeros_like(brain) if truth is None else truth.numpy())
        every = _Truths(brain, bits)
        sizes = {label: int(every.of(label).sum()) for label in bits}
        truths = _Truths(brain, {label: bits[label] for label, size in sizes.items() if 0 < size < brain.sum()})
        if len(truths.bits) < FEWEST:
            return _too_few(len(truths.bits), "a ground truth inside the brain that all of them share")
        first, *others = (truths.of(label) for label in truths.bits)
        return ONE_TRUTH if all(np.array_equal(first, other) for other in others) else truths


class _Mean:
    """The mean of maps that are each divided by their sum; maps of zeros are left out."""

    def __init__(self, total: NDArray[np.float64]) -> None:
        self._total, self._count = total, 0

    def add(self, importance: NDArray[np.float64]) -> None:
        mass = float(importance.sum())
        if mass > 0:
            self._total += importance / mass
            self._count += 1

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._total / max(1, self._count)


def _mean_truth(truths: _Truths, labels: tuple[str, ...]) -> NDArray[np.float64]:
    total = np.zeros(truths.brain.shape)
    for label in labels:
        total += truths.of(label)
    return total / max(1, len(labels))


def _too_few(number: int, what: str) -> str:
    who = "no subject has" if number == 0 else "1 subject has" if number == 1 else f"{number} subjects have"
    return f"{who} {what}; at least {FEWEST} are needed to compare subjects"
