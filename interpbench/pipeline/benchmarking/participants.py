"""The subjects of a benchmark, and those from whom methods learn that are fitted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Subject
from interpbench.pipeline.benchmarking.asked import AskedWork
from interpbench.pipeline.benchmarking.cases import MEAN_OF
from interpbench.run.study import Study

REFIT_VALIDATION = 16  # validation subjects of a method that is fitted again


@dataclass(frozen=True)
class Participants:
    """The subjects of a benchmark, by what they are for."""

    chosen: list[Subject]  # those who are explained
    learners: list[Subject]  # for mean volumes, and to fit again
    held_out: list[Subject]  # to validate what is fitted again

    @property
    def everybody(self) -> list[Subject]:
        return [*self.chosen, *self.learners, *self.held_out]


def participants_of(study: Study, work: AskedWork, refit_subjects: int, seed: int) -> Participants:
    """Select the subjects of a benchmark; the seed decides a random selection.

    Raises:
        UsageError, InputError: as `Study.chosen`.
    """
    chosen = study.chosen(work.subjects, study.splits)
    number = work.number
    if number and not work.subjects.labels and len(chosen) > number:
        log.info(
            "%d of %d subjects are included, drawn with seed %d; --subjects 0 includes all", number, len(chosen), seed
        )
        chosen = drawn(chosen, number, seed)
    splits = study.splits or {}
    training, validation = (
        [one for one in study.cohort.subjects if splits.get(one.id) == part] for part in ("train", "validation")
    )
    learners = drawn(training or chosen, max(refit_subjects, MEAN_OF), seed)
    return Participants(chosen, learners, drawn(validation, REFIT_VALIDATION, seed))


def drawn(subjects: Sequence[Subject], number: int, seed: int) -> list[Subject]:
    """A random selection of so many subjects by the seed, in their own order."""
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed)).tolist()
    return [subjects[index] for index in sorted(order[:number])]
