"""Reads subjects as samples; a refused file excludes one subject only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.cohort.prepared_cache import PreparedCache
from interpbench.cohort.samples import Samples, age_of
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.files.failures import failure
from interpbench.images.recipe import Recipe
from interpbench.images.typical import Typical, unlike
from interpbench.progress import track


def read_samples(
    subjects: Sequence[Subject],
    recipe: Recipe,
    what: str,
    target: Callable[[Subject], float] = age_of,
    prepared: PreparedCache | None = None,
) -> tuple[Samples, list[dict[str, Any]]]:
    """Prepare every subject once.

    Args:
        what: what the progress bar says.
        target: what a subject's prediction should be.
        prepared: where prepared volumes are kept on disk; None for nowhere.

    Returns:
        The samples of those that can be read, and a failure for each of the others.
    """
    samples, failures, good = Samples(subjects, recipe, target=target, prepared=prepared), [], []
    for index, subject in enumerate(track(subjects, what, unit="subject")):
        try:
            samples[index]
            good.append(subject)
        except InputError as error:
            log.warning("excluded: sub-%s: %s", subject.id, error)
            failures.append(failure(subject.id, subject.image, error))
    if not failures:
        return samples, failures
    kept = Samples(good, recipe, target=target, prepared=prepared)
    kept.doubts.update(samples.doubts)
    return kept, failures


def doubts_about_samples(samples: Samples, typical: Typical | None) -> dict[str, list[str]]:
    """Warnings about each subject's image, by label, including whether it is unlike the training images."""
    if typical is None:
        return {subject.id: list(samples.doubts.get(subject.id, ())) for subject in samples.subjects}
    return {
        sample.subject: [*samples.doubts.get(sample.subject, ()), *unlike(typical, sample.volume, sample.brain)]
        for sample in samples
    }


def first_volumes(subjects: Sequence[Subject], recipe: Recipe, device: torch.device, number: int = 2) -> Tensor:
    """The first volumes that can be read, `(B, 1, I, J, K)`, at most `number`.

    They are what a predictor is checked by before a long run begins; who cannot be read is told in the run itself.
    """
    found: list[Tensor] = []
    for subject in subjects:
        if len(found) == number:
            break
        try:
            found.append(recipe.prepare(subject).volume)
        except InputError:
            continue
    return torch.stack(found).to(device) if found else torch.empty(0, 1, *recipe.shape, device=device)
