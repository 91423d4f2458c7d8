"""Checks all files of a cohort before anything is computed: headers first, then voxels.

A problem keeps a subject out of a run. A warning does not; it will stand beside the subject's results.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpbench.cohort.persons import doubts_about_identity, doubts_about_splits
from interpbench.cohort.subjects import Cohort, Problem, Subject
from interpbench.doubts import AGES, HEADER, Doubt, kind_of
from interpbench.errors import InputError
from interpbench.files.hashes import Hashes
from interpbench.progress import track

if TYPE_CHECKING:
    from interpbench.images.recipe import Recipe
    from interpbench.images.typical import Typical

_AGE = re.compile(r"(?:^|[^A-Za-z])(?:age|Age|AGE)(?![a-z])|[a-z]Age(?![a-z])")  # a word of a column's name, not image


def check_cohort(
    cohort: Cohort,
    *,
    voxels: bool = True,
    recipe: Recipe | None = None,
    warnings: bool = False,
    typical: Typical | None = None,
    splits: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Every problem of a cohort: bad rows of the table, then those of headers, then those of voxels.

    Args:
        cohort: as read.
        voxels: read the voxels too (damage, NaN, constant images, empty masks); False takes milliseconds a subject.
        recipe: a predictor's, by which each image is prepared as a run would.
        warnings: tell what is doubtful as well.
        typical: of the images that the predictor was trained on.
        splits: the predictor's division, or that of the table; None where there is none.

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
            known = {one.message for one in told if one.file == subject.image}
            found += _voxel_problems(subject, recipe, typical, known)
    if warnings:
        found += _doubts_about_all(cohort, splits)
    return sorted((one for one in found if warnings or not one.warning), key=lambda problem: problem.line)


def problem_table(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as rows of a table.

    Their columns: `level` (`problem` or `warning`), `participant_id`, `line`, `file`, `message`, `kind` (of doubt, of
    a warning).
    """
    return [
        {
            "level": "warning" if one.warning else "problem",
            "participant_id": one.subject or None,
            "line": one.line,
            "file": None if one.file is None else str(one.file),
            "message": one.message,
            "kind": one.kind or None,
        }
        for one in problems
    ]


_OF_MASKS = ("mask: ", "the mask ")  # how warnings about a mask begin


def _header_problems(subject: Subject) -> list[Problem]:
    from interpbench.images.volume import read_header

    problems = []
    for file in subject.files.values():
        try:
            header = read_header(file, max_voxels=subject.rules.max_voxels)
        except InputError as error:
            problems.append(_problem(subject, file, error))
        else:
            problems += [_warning(subject, file, words) for words in header.warnings]
    return problems


def _voxel_problems(
    subject: Subject, recipe: Recipe | None, typical: Typical | None, known: Collection[str]
) -> list[Problem]:
    """The problems of voxels, without those already known from the header."""
    from interpbench.images.brain import brain_in
    from interpbench.images.typical import unlike
    from interpbench.images.volume import read_volume

    try:
        if recipe is not None:
            prepared = recipe.prepare(subject)
            warnings = (*prepared.warnings, *unlike(typical, prepared.volume, prepared.brain))
        else:
            rules = subject.rules
            image = read_volume(subject.image, max_voxels=rules.max_voxels, nan_to_zero=rules.nan_to_zero)
            warnings = (*image.warnings, *brain_in(image, subject.mask)[1])
    except InputError as error:
        named = (file for file in (subject.mask, subject.image) if file and str(error).startswith(f"{file}: "))
        return [_problem(subject, next(named, subject.image), error)]
    return [
        _warning(subject, subject.mask if subject.mask and words.startswith(_OF_MASKS) else subject.image, words)
        for words in warnings
        if words not in known and not (words.startswith("mask: ") and kind_of(words) == HEADER)
    ]


def _doubts_about_all(cohort: Cohort, splits: Mapping[str, str] | None) -> list[Problem]:
    """Warnings about the table as a whole."""
    hashes = Hashes()
    identity = doubts_about_identity(cohort.subjects, hashes)
    apart = doubts_about_splits(cohort.subjects, splits, hashes)
    found = [
        _warning(subject, subject.image, words)
        for subject in cohort.subjects
        for words in (*identity.get(subject.id, ()), *apart.get(subject.id, ()))
    ]
    found += [_about_table(cohort, words) for words in cohort.doubts]
    ages = [subject.age for subject in cohort.subjects if subject.age is not None]
    if not ages and (cohort.subjects or not _has_ages(cohort)):
        found.append(_about_table(cohort, _no_ages(cohort)))
    if len(ages) > 1 and len(set(ages)) == 1:
        words = f"all {len(ages)} ages are {ages[0]:g}: age cannot be learned"
        found.append(_about_table(cohort, words))
    return found


def _no_ages(cohort: Cohort) -> str:
    if _has_ages(cohort):
        return "no usable subject has a value in the column 'age': training on age needs one"
    alike = [name for name in cohort.columns if _AGE.search(name)]
    rename = f"; if {alike[0]!r} holds years, rename it to age" if alike else ""
    return f"no column 'age'; its columns are: {', '.join(cohort.columns)}: training on age needs one{rename}"


def _has_ages(cohort: Cohort) -> bool:
    return any(name.lower() == "age" for name in cohort.columns)


def _about_table(cohort: Cohort, words: str) -> Problem:
    kind = words.kind if isinstance(words, Doubt) else AGES
    return Problem("", 1, cohort.table, str(words), warning=True, kind=kind)


def _problem(subject: Subject, file: Path, error: InputError) -> Problem:
    return Problem(f"sub-{subject.id}", subject.line, file, str(error).removeprefix(f"{file}: "))


def _warning(subject: Subject, file: Path, words: str) -> Problem:
    return Problem(f"sub-{subject.id}", subject.line, file, str(words), warning=True, kind=kind_of(words))
