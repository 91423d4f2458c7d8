"""Every problem of a cohort's files, before anything is computed: headers first, voxels second.

A problem keeps a subject out of a run. A warning does not; it will stand beside the subject's results.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpbench.cohort import Cohort, Problem, Subject
from interpbench.errors import InputError
from interpbench.progress import track

if TYPE_CHECKING:
    from interpbench.recipe import Recipe


def check_cohort(
    cohort: Cohort, *, voxels: bool = True, recipe: Recipe | None = None, warnings: bool = False
) -> list[Problem]:
    """Find every problem: the table's bad rows, then what each file's header tells, then what its voxels tell.

    Args:
        cohort: as read.
        voxels: read the voxels too (damage, NaN, constant images, empty masks); False takes milliseconds a subject.
        recipe: a predictor's, by which each image is prepared as a run would.
        warnings: tell what is doubtful as well.

    Returns:
        In the order of the table; empty where all is well.
    """
    found = list(cohort.problems)
    sound: list[tuple[Subject, list[Problem]]] = []
    for subject in track(cohort.subjects, "Checking headers", unit="subject"):
        told = _header_problems(subject)
        found += told
        if all(one.warning for one in told):
            sound.append((subject, told))
    if voxels:
        for subject, told in track(sound, "Checking voxels", unit="subject"):
            found += _voxel_problems(subject, recipe, {one.message for one in told if one.file == subject.image})
    return sorted((one for one in found if warnings or not one.warning), key=lambda problem: problem.line)


def rows_of(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as rows of a table: `level` (`problem` or `warning`), `participant_id`, `line`, `file`, `message`."""
    return [
        {
            "level": "warning" if one.warning else "problem",
            "participant_id": one.subject or None,
            "line": one.line,
            "file": None if one.file is None else str(one.file),
            "message": one.message,
        }
        for one in problems
    ]


def _header_problems(subject: Subject) -> list[Problem]:
    from interpbench.volume import read_header

    problems = []
    for file in (subject.image, subject.mask, subject.truth):
        if file is not None:
            try:
                header = read_header(file, max_voxels=subject.rules.max_voxels)
            except InputError as error:
                problems.append(_problem(subject, file, error))
            else:
                problems += [_warning(subject, file, words) for words in header.warnings]
    return problems


def _voxel_problems(subject: Subject, recipe: Recipe | None, known: Collection[str]) -> list[Problem]:
    """But for what is known: what the image's header told."""
    from interpbench.brain import read_mask
    from interpbench.volume import read_volume

    try:
        if recipe is not None:
            warnings = recipe.prepare(subject).warnings
        else:
            rules = subject.rules
            image = read_volume(subject.image, max_voxels=rules.max_voxels, nan_to_zero=rules.nan_to_zero)
            warnings = image.warnings
            if subject.mask is not None:
                warnings += read_mask(subject.mask, image)[1]
    except InputError as error:
        named = (file for file in (subject.mask, subject.image) if file and str(error).startswith(f"{file}: "))
        return [_problem(subject, next(named, subject.image), error)]
    return [
        _warning(subject, subject.image, words)
        for words in warnings
        if words not in known and not words.startswith("mask: the header")
    ]


def _problem(subject: Subject, file: Path, error: InputError) -> Problem:
    return Problem(f"sub-{subject.id}", subject.line, file, str(error).removeprefix(f"{file}: "))


def _warning(subject: Subject, file: Path, words: str) -> Problem:
    return Problem(f"sub-{subject.id}", subject.line, file, words, warning=True)
