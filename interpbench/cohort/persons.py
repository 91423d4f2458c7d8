"""Scans of one person, found by the table or by their labels, and identical images, found by their bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

from interpbench.cohort.labels import perhaps_one, person_of
from interpbench.cohort.subjects import Subject
from interpbench.doubts import PERSON, SEVERAL, TWICE, Doubt, named
from interpbench.errors import InputError
from interpbench.files.hashes import Hashes

_WHO = ("person", "person_id", "subject", "subject_id")  # columns that tell who is who


def person_in(subject: Subject) -> str:
    """The name of the person of whom a subject is a scan, from a column of the table or else from the label."""
    return person_of(_told(subject) or subject.id)


def _told(subject: Subject) -> str | None:
    """The person that a column of the table names."""
    return next((cell.removeprefix("sub-") for name in _WHO if (cell := subject.cell(name))), None)


def _source(subject: Subject) -> str:
    return "table" if _told(subject) else "label"


def scans_of_one(subjects: Iterable[Subject]) -> list[list[Subject]]:
    """The subjects of each person with several scans, in the order of the table."""
    subjects = list(subjects)
    return _several({subject.id: person_in(subject) for subject in subjects}, subjects)


def twins(subjects: Iterable[Subject], hashes: Hashes | None = None) -> list[list[Subject]]:
    """The subjects whose images are the same file or have the same bytes; files of different sizes are not read.

    Args:
        hashes: of the command's files.
    """
    hashes, subjects = hashes or Hashes(), list(subjects)
    sizes: dict[int, list[Subject]] = {}
    for subject in subjects:
        try:
            sizes.setdefault(subject.image.stat().st_size, []).append(subject)
        except OSError:
            continue  # it will be told when it is to be read
    keys: dict[str, str] = {}
    for alike in sizes.values():
        for subject in alike if len(alike) > 1 else ():
            with contextlib.suppress(InputError):  # likewise
                keys[subject.id] = hashes.of(subject.image)
    return _several(keys, [one for one in subjects if one.id in keys])


def doubts_about_identity(subjects: Sequence[Subject], hashes: Hashes | None = None) -> dict[str, list[Doubt]]:
    """Warnings about identities, by label: the same image under two labels, several scans of one person.

    Args:
        hashes: of the command's files.
    """
    found: dict[str, list[Doubt]] = {}
    for some in twins(subjects, hashes):
        for subject, others in _with_others(some):
            found.setdefault(subject.id, []).append(Doubt(f"the image file is identical to that of {others}", TWICE))
    for some in scans_of_one(subjects):
        for subject, others in _with_others(some):
            words = f"the {_source(subject)} suggests the same person as {others}: they are put into one split"
            found.setdefault(subject.id, []).append(Doubt(words, SEVERAL))
    for alike in _perhaps_one(subjects, [subject.id for subject in subjects]):
        for place, one in enumerate(alike):
            pair = sorted((one, alike[place - 1] if place else alike[1]), key=alike.index)
            labels, writes = [f"sub-{label}" for label, _ in pair], [_apart_from_stem(*one) for one in pair]
            words = f"{' and '.join(labels)} may be two scans of one person: write {' and '.join(writes)}"
            found.setdefault(one[0], []).append(Doubt(f"{words} so that they stay together", SEVERAL))
    return found


def _perhaps_one(subjects: Sequence[Subject], labels: Iterable[str]) -> list[list[tuple[str, str]]]:
    told = any(map(_told, subjects))  # so that labels need not
    return [] if told else list(perhaps_one(labels).values())


def _apart_from_stem(label: str, suffix: str) -> str:
    return f"{label.removesuffix(suffix)}+{suffix}" if suffix else label


def doubts_about_splits(
    subjects: Sequence[Subject], splits: Mapping[str, str] | None, hashes: Hashes | None = None
) -> dict[str, list[Doubt]]:
    """Warnings, by label, about the same image or scans of one person in different splits.

    Args:
        splits: `{id: split}`, of others than the subjects too; None where there is no division.
        hashes: of the command's files.
    """
    found: dict[str, list[Doubt]] = {}
    if not splits:
        return found
    for some in twins(subjects, hashes):
        for subject, others in _apart(some, splits):
            words = (
                f"the image is identical to that of {others}, which is in another split than"
                f" this one ({splits[subject.id]})"
            )
            found.setdefault(subject.id, []).append(Doubt(words, TWICE))
    known = {label: person_of(label) for label in splits} | {subject.id: person_in(subject) for subject in subjects}
    scans: dict[str, list[str]] = {}
    for label, person in known.items():
        if label in splits:
            scans.setdefault(person, []).append(label)
    for subject in subjects:
        here = splits.get(subject.id)
        elsewhere = [one for one in scans.get(known[subject.id], ()) if one != subject.id and splits[one] != here]
        if here is not None and elsewhere:
            words = (
                f"in the {here} split, but {named(elsewhere)} in another split is the same person by the"
                f" {_source(subject)}"
            )
            found.setdefault(subject.id, []).append(Doubt(words, PERSON))
    ours = {subject.id for subject in subjects}
    for alike in _perhaps_one(subjects, known):
        for one in alike:
            here = splits.get(one[0])
            apart = [other for other in alike if splits.get(other[0], here) != here]
            if one[0] in ours and here is not None and apart:
                writes = f"{_apart_from_stem(*one)} and {_apart_from_stem(*apart[0])}"
                words = (
                    f"in the {here} split; sub-{apart[0][0]} in another split may be the same person; write {writes}"
                )
                found.setdefault(one[0], []).append(Doubt(f"{words} so that they stay together", PERSON))
    return found


def _several(keys: Mapping[str, str], subjects: Iterable[Subject]) -> list[list[Subject]]:
    groups: dict[str, list[Subject]] = {}
    for subject in subjects:
        groups.setdefault(keys[subject.id], []).append(subject)
    return [some for some in groups.values() if len(some) > 1]


def _with_others(some: Sequence[Subject]) -> Iterable[tuple[Subject, str]]:
    for subject in some:
        yield subject, named([one.id for one in some if one is not subject])


def _apart(some: Sequence[Subject], splits: Mapping[str, str]) -> Iterable[tuple[Subject, str]]:
    for subject in some:
        here = splits.get(subject.id)
        others = [one.id for one in some if splits.get(one.id, here) != here]
        if others:
            yield subject, named(others)
