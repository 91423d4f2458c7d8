"""Where the importance of a subject must be, or must not be, on the network's grid."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from interpbench.cohort.subjects import Cohort, Subject
from interpbench.images.grid import move
from interpbench.images.prepared import Prepared
from interpbench.images.volume import Volume, read_volume

TRUTH = "truth.nii.gz"  # in a cohort's folder: one for all, in the template's space


def truth_of(subject: Subject, common: Volume | None, prepared: Prepared) -> Tensor | None:
    """Where the importance must be: the subject's own truth, else the one for all.

    Returns:
        `(I, J, K)` bool, or None where nobody knows.
    """
    truth = common if subject.truth is None else read_volume(subject.truth, constant_ok=True)
    return None if truth is None else _on_grid(truth, prepared)


def distractors_of(subject: Subject, prepared: Prepared) -> Tensor | None:
    """Where the image varies for reasons unrelated to the target: `(I, J, K)` bool, or None where nobody knows."""
    if subject.distractors is None:
        return None
    return _on_grid(read_volume(subject.distractors, constant_ok=True), prepared)


def common_truth(cohort: Cohort, given: str | Path | None) -> Path | None:
    """The file with one truth for all: the one given, else `truth.nii.gz` beside the table."""
    if given is not None:
        return Path(given)
    beside = cohort.root / TRUTH
    return beside if beside.is_file() else None


def _on_grid(mask: Volume, prepared: Prepared) -> Tensor:
    """The voxels of the network's grid of which more than half is in the mask."""
    inside = (mask.data[0] != 0).float()
    return move(inside, mask.affine, prepared.affine, tuple(prepared.brain.shape)) > 0.5
