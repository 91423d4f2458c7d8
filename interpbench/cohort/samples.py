"""Subjects as samples on the network's grid, read when first used and kept while memory allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import overload

from interpbench.cohort.prepared_cache import PreparedCache
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor, Sample
from interpbench.images.recipe import Recipe

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
    are read again each time, from `prepared` where that is given. Whoever takes a sample must not change its tensors.
    Several threads may ask.

    Args:
        subjects: whom to read.
        recipe: how a file becomes an input.
        target: what a subject's prediction should be; NaN where unknown.
        cache_bytes: how much memory kept samples may take (5 bytes a voxel).
        prepared: where prepared volumes are kept on disk; None for nowhere.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        recipe: Recipe,
        *,
        target: Callable[[Subject], float] = age_of,
        cache_bytes: int = CACHE_BYTES,
        prepared: PreparedCache | None = None,
    ) -> None:
        self.subjects = tuple(subjects)
        self.recipe = recipe
        self.target = target
        self.prepared = prepared
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

    def _read(self, place: int) -> Sample:
        subject = self.subjects[place]
        if self.prepared is None:
            prepared = self.recipe.prepare(subject)
            volume, brain, doubts = prepared.volume, prepared.brain, prepared.warnings
        else:
            volume, brain, doubts = self.prepared.kept(subject, self.recipe)
        self.doubts[subject.id] = doubts
        return Sample(subject=subject.id, volume=volume, brain=brain, target=self.target(subject))
