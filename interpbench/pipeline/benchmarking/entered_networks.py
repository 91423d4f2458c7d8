"""The networks of a benchmark of several: their names, their own fits and maps, and the subjects that they share."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError, UsageError
from interpbench.files.records import read_record
from interpbench.files.run_folder import MANIFEST
from interpbench.pipeline.benchmarking.asked import AskedWork, MadeBefore
from interpbench.pipeline.benchmarking.participants import drawn
from interpbench.pipeline.fitted import RECORD as FITTED
from interpbench.run.study import Study


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """One of the networks: its name among them, its study, and what is there of it already."""

    name: str
    study: Study
    before: MadeBefore


def named_networks(studies: Sequence[Study], before: MadeBefore) -> list[Network]:
    """The networks by the names of their folders, each with the fits and maps that are its own.

    Raises:
        UsageError: the same network twice, networks with other units, or a fit or maps of none of them.
        InputError: a folder that is no fit, or holds no maps.
    """
    prints = [study.fingerprint for study in studies]
    for place, study in enumerate(studies):
        if study.fingerprint in prints[:place]:
            other = studies[prints.index(study.fingerprint)]
            raise UsageError(f"{other.source} and {study.source} are the same network: give each network once.")
    units = {study.predictor.unit for study in studies}
    if len(units) > 1:
        raise UsageError(f"The networks predict in {', '.join(sorted(units))}: give networks of one target and unit.")
    names: list[str] = []
    for study in studies:
        stem = Path(study.source).name or "network"
        names.append(next(name for name in _numbered(stem) if name not in names))
    taken = {
        what: _by_network(getattr(before, what), record, studies)
        for what, record in (("fitted", FITTED), ("maps", MANIFEST))
    }
    return [
        Network(
            name=name,
            study=study,
            before=dataclasses.replace(before, fitted=taken["fitted"][place], maps=taken["maps"][place]),
        )
        for place, (name, study) in enumerate(zip(names, studies, strict=True))
    ]


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in itertools.count(2))


def _by_network(folders: Sequence[str | Path], record: str, studies: Sequence[Study]) -> list[list[str | Path]]:
    """Folders of fits or maps, by the network that their record names."""
    found: list[list[str | Path]] = [[] for _ in studies]
    prints = [study.fingerprint for study in studies]
    for folder in folders:
        place = Path(folder) / record
        if not place.is_file():
            raise InputError(f"{folder}: has no {record}; `interpbench fit` and `interpbench explain` write it.")
        whose = read_record(place, {"predictor_sha256": str}, "record").get("predictor_sha256")
        if whose not in prints:
            raise UsageError(f"{folder} belongs to none of the {len(studies)} networks.")
        found[prints.index(whose)].append(folder)
    return found


def shared_subjects(networks: Sequence[Network], work: AskedWork, seed: int) -> list[Subject]:
    """The subjects that every network may be measured on, drawn by the seed.

    Raises:
        InputError: there is nobody.
    """
    each = [one.study.chosen(work.subjects, one.study.splits) for one in networks]
    everywhere = set.intersection(*({subject.id for subject in some} for some in each))
    shared = [subject for subject in each[0] if subject.id in everywhere]
    if not shared:
        raise InputError(
            f"No subject is in the {work.subjects.split} split of all {len(networks)} networks: train them with one"
            " column `split`, or name subjects."
        )
    return drawn(shared, work.number, seed) if work.number and not work.subjects.labels else shared
