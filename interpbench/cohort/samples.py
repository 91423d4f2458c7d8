"""Subjects as samples on the network's grid, read when first used and kept while memory allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Self, overload

from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor, Sample
from interpbench.images.recipe import Recipe
from interpbench.images.typical import Typical, unlike

CACHE_BYTES = 4 * 2**30


def target_of(subject: Subject, predictor: Predictor) -> float:
    """The target of a subject's prediction, in the predictor's unit; NaN if unknown.

    A classifier predicts a logit, and nobody knows the logit that should be.
    """
    return math.nan if predictor.classes else subject.number(predictor.target_column)


def age_of(subject: Subject) -> float:
    """The age of a subject in years; NaN if unknown."""
    return subject.number("age")


class Samples(Sequence[Sample]):
    """A sequence of samples, one for each subject, in their order.

    A sample is read and prepared when it is first asked for. As many as fit into `cache_bytes` are kept; the others
    are read again each time, from the cache of `prepared` where that has one. Whoever takes a sample must not change
    its tensors. Several threads may ask.

    Args:
        subjects: whom to read.
        recipe: how a file becomes an input.
        target: what a subject's prediction should be; NaN where unknown.
        cache_bytes: how much memory kept samples may take (5 bytes a voxel).
        prepared: prepares them; None where nobody else needs them.
        typical: of the images that a network was trained on: who is unlike them is doubtful.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        recipe: Recipe,
        *,
        target: Callable[[Subject], float] = age_of,
        cache_bytes: int = CACHE_BYTES,
        prepared: PreparedOnce | None = None,
        typical: Typical | None = None,
    ) -> None:
        self.subjects = tuple(subjects)
        self.recipe = recipe
        self.target = target
        self.prepared = prepared or PreparedOnce(recipe)
        self.typical = typical
        self._room = cache_bytes
        self._keeping = threading.Lock()
        self._kept: dict[int, Sample] = {}
        self.doubts: dict[str, tuple[str, ...]] = {}  # about each subject that was read

    def __len__(self) -> int:
        return len(self.subjects)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # IndexError beyond the ends, and counts from the end
        if place in self._kept:
            return self._kept[place]
        sample = self._read(place)
        size = sample.volume.nbytes + sample.brain.nbytes
        with self._keeping:
            if place not in self._kept and size <= self._room:
                self._room -= size
                self._kept[place] = sample
        return self._kept.get(place, sample)

    def without(self, subjects: Collection[Subject]) -> Self:
        """The others, with what is kept of them."""
        left = [place for place, subject in enumerate(self.subjects) if subject not in subjects]
        chosen = [self.subjects[place] for place in left]
        others = type(self)(chosen, self.recipe, target=self.target, prepared=self.prepared, typical=self.typical)
        others._room = self._room
        others._kept = {new: self._kept[old] for new, old in enumerate(left) if old in self._kept}
        others.doubts = dict(self.doubts)
        return others

    def _read(self, place: int) -> Sample:
        subject = self.subjects[place]
        volume, brain, doubts = self.prepared.voxels(subject)
        if subject.id not in self.doubts:
            self.doubts[subject.id] = (*doubts, *unlike(self.typical, volume, brain))
        return Sample(subject=subject.id, volume=volume, brain=brain, target=self.target(subject))
