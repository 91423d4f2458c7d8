"""The samples that methods learn from: training and validation split, read once for all methods of a command."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from interpbench.cohort.reading import read_samples
from interpbench.cohort.samples import Samples, target_of
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import Subject
from interpbench.run.study import Study


class Learners:
    """The splits of a study as samples, which are read when the first method asks for them.

    Args:
        seed: of the division, where none is on record.
    """

    def __init__(self, study: Study, seed: int) -> None:
        self.study, self.seed = study, seed

    @functools.cached_property
    def splits(self) -> dict[str, str]:
        """The split of each subject: as it is on record, else by the seed."""
        subjects, predictor = self.study.cohort.subjects, self.study.predictor
        return self.study.splits or split_cohort(
            subjects, seed=self.seed, column=predictor.target_column, classes=predictor.classes
        )

    def of(self, split: str) -> list[Subject]:
        """The subjects of a split, in the table's order."""
        return [subject for subject in self.study.cohort.subjects if self.splits[subject.id] == split]

    @property
    def training(self) -> Samples:
        return self._read[0]

    @property
    def validation(self) -> Samples:
        return self._read[1]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """A row for each subject that cannot be read."""
        return self._read[2]

    @property
    def number(self) -> int:
        """The number of subjects that can be read."""
        return len(self.training) + len(self.validation)

    @functools.cached_property
    def _read(self) -> tuple[Samples, Samples, list[dict[str, Any]]]:
        training, failures = read_samples(samples_of(self.study, self.of("train")), "reading the training split")
        validation, more = read_samples(samples_of(self.study, self.of("validation")), "reading the validation split")
        return training, validation, failures + more


def samples_of(study: Study, subjects: Sequence[Subject]) -> Samples:
    """Subjects as samples of what the study's predictor predicts; none of them is read yet."""
    return Samples(
        subjects,
        study.recipe,
        target=functools.partial(target_of, predictor=study.predictor),
        prepared=study.prepared,
        typical=study.typical,
    )
