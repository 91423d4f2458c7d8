"""Read subjects as samples, and keep going where a file is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interpbench.cohort import Subject
from interpbench.errors import InputError
from interpbench.pipeline.selection import failure, log
from interpbench.progress import track
from interpbench.recipe import Recipe
from interpbench.samples import Samples


def read_samples(subjects: Sequence[Subject], recipe: Recipe, what: str) -> tuple[Samples, list[dict[str, Any]]]:
    """Prepare every subject once.

    Args:
        what: what the progress bar says.

    Returns:
        The samples of those that can be read, and a failure for each of the others.
    """
    samples, failures, good = Samples(subjects, recipe), [], []
    for index, subject in enumerate(track(subjects, what, unit="subject")):
        try:
            samples[index]
            good.append(subject)
        except InputError as error:
            log.warning("left out: sub-%s: %s", subject.id, error)
            failures.append(failure(subject.id, subject.image, error))
    return (Samples(good, recipe) if failures else samples), failures
