"""Every problem of a cohort's files, before anything is computed: headers first, voxels second."""

from __future__ import annotations

from pathlib import Path

from interpbench.cohort import Cohort, Problem, Subject
from interpbench.errors import InputError
from interpbench.progress import track


def check_cohort(cohort: Cohort, *, voxels: bool = True) -> list[Problem]:
    """Find every problem: the table's bad rows, then what each file's header tells, then what its voxels tell.

    Args:
        cohort: as read.
        voxels: read the voxels too (damage, NaN, constant images, empty masks); False takes milliseconds a subject.

    Returns:
        In the order of the table; empty where all is well.
    """
    found = list(cohort.problems)
    sound = []
    for subject in track(cohort.subjects, "Checking headers", unit="subject"):
        problems = _header_problems(subject)
        found += problems
        if not problems:
            sound.append(subject)
    if voxels:
        for subject in track(sound, "Checking voxels", unit="subject"):
            found += _voxel_problems(subject)
    return sorted(found, key=lambda problem: problem.line)


def _header_problems(subject: Subject) -> list[Problem]:
    from interpbench.volume import read_header

    problems = []
    for file in (subject.image, subject.mask, subject.truth):
        if file is not None:
            try:
                read_header(file)
            except InputError as error:
                problems.append(_problem(subject, file, error))
    return problems


def _voxel_problems(subject: Subject) -> list[Problem]:
    from interpbench.brain import read_mask
    from interpbench.volume import read_volume

    try:
        image = read_volume(subject.image)
    except InputError as error:
        return [_problem(subject, subject.image, error)]
    if subject.mask is None:
        return []
    try:
        read_mask(subject.mask, image)
    except InputError as error:
        return [_problem(subject, subject.mask, error)]
    return []


def _problem(subject: Subject, file: Path, error: InputError) -> Problem:
    return Problem(f"sub-{subject.id}", subject.line, file, str(error).removeprefix(f"{file}: "))
