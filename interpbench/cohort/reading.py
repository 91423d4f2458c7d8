"""Reads subjects as samples; a refused file excludes one subject only."""

from __future__ import annotations

from typing import Any

from interpbench.cohort.choosing import log
from interpbench.cohort.samples import Samples
from interpbench.errors import InputError
from interpbench.files.failures import failure
from interpbench.images.typical import Typical, unlike
from interpbench.progress import track


def read_samples(samples: Samples, what: str) -> tuple[Samples, list[dict[str, Any]]]:
    """Prepare every subject once.

    Args:
        what: what the progress bar says.

    Returns:
        The samples of those that can be read, and a failure for each of the others.
    """
    failures, bad = [], []
    for index, subject in enumerate(track(samples.subjects, what, unit="subject")):
        try:
            samples[index]
        except InputError as error:
            log.warning("excluded: sub-%s: %s", subject.id, error)
            failures.append(failure(subject.id, subject.image, error))
            bad.append(subject)
    return (samples.without(bad) if bad else samples), failures


def doubts_about_samples(samples: Samples, typical: Typical | None = None) -> dict[str, list[str]]:
    """Warnings about each subject's image, by label, including whether it is unlike typical images."""
    if typical is None:
        return {subject.id: list(samples.doubts.get(subject.id, ())) for subject in samples.subjects}
    return {
        sample.subject: [*samples.doubts.get(sample.subject, ()), *unlike(typical, sample.volume, sample.brain)]
        for sample in samples
    }
