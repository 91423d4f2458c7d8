"""Subjects as samples on the network's grid, read when first asked for and kept while memory allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

from interpbench.cohort import Subject
from interpbench.interfaces import Sample
from interpbench.recipe import Recipe

CACHE_BYTES = 4 * 2**30


class Samples(Sequence[Sample]):
    """A sequence of samples, one a subject, in the subjects' order.

    A sample is read and prepared when it is first asked for. As many as fit into `cache_bytes` are kept; the others
    are read again each time. Whoever takes a sample must not change its tensors.

    Args:
        subjects: whom to read.
        recipe: how a file becomes an input.
        cache_bytes: how much memory kept samples may take (5 bytes a voxel).
    """

    def __init__(self, subjects: Sequence[Subject], recipe: Recipe, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.subjects = tuple(subjects)
        self.recipe = recipe
        self._room = cache_bytes
        self._kept: dict[int, Sample] = {}

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
        if place not in self._kept:
            sample = self._read(place)
            size = sample.volume.nbytes + sample.brain.nbytes
            if size > self._room:
                return sample
            self._room -= size
            self._kept[place] = sample
        return self._kept[place]

    def _read(self, place: int) -> Sample:
        subject = self.subjects[place]
        prepared = self.recipe.prepare(subject)
        target = math.nan if subject.age is None else subject.age
        return Sample(subject=subject.id, volume=prepared.volume, brain=prepared.brain, target=target)
