"""The identity parts of a benchmark: all that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import Subject
from interpbench.contract.metric import Metric
from interpbench.errors import InputError, PluginError
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import RunFolder
from interpbench.files.source_code import source_sha256
from interpbench.host.registry import discover
from interpbench.maps.files import method_label
from interpbench.maps.network_map import place_beside
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.entering import TEMPLATE, LearnedMethods
from interpbench.pipeline.benchmarking.participants import Participants
from interpbench.pipeline.fitted import read_learned
from interpbench.run.identity import (
    IdentityPart,
    InputFile,
    digest_of,
    distribution_of,
    read_component,
    read_splits,
)
from interpbench.run.study import Study


def read_methods(
    learned: LearnedMethods, names: Sequence[str], waiting: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> IdentityPart:
    """The identity parts of every method: its component, and its fit or else the cohort that it learns from.

    Args:
        waiting: floors that are made later, from a map of this benchmark's own.

    Raises:
        UsageError: options that the method does not have, or that differ from those of the maps that were given.
    """
    study = learned.study
    found: dict[str, Any] = {}
    files: list[InputFile] = []
    for name in names:
        try:
            explainer = learned.entered(name, options.get(name, {})).explainer
        except PluginError:  # it is excluded, and told, where it is to make maps
            found[name] = None
            continue
        part = read_component(explainer, discover().find("explainer", name), study.hashes)
        folder = learned.folder(name) if explainer.learned else None
        if folder is not None:
            known = read_learned(folder, study)
        elif explainer.learned:
            cohort, splits = study.read_cohort_files, read_splits(study.splits or {})
            known = IdentityPart({"learned": {**cohort.entries, **splits.entries}}, cohort.files)
        else:
            known = IdentityPart({"learned": None})
        found[name] = {**part.entries, **known.entries}
        files += [*part.files, *known.files]
    for name in waiting:
        installed = discover().find("explainer", name)
        code = source_sha256([discover().load("explainer", name)])
        found[name] = {"distribution": distribution_of(installed), "options": dict(options.get(name, {})), "code": code}
    return IdentityPart({"methods": found}, files)


def read_metrics(metrics: Sequence[tuple[str, Metric]], hashes: Hashes) -> IdentityPart:
    """The identity part of each metric: its component."""
    parts = {name: read_component(metric, discover().find("metric", name), hashes) for name, metric in metrics}
    files = [file for part in parts.values() for file in part.files]
    return IdentityPart({"measures": {name: part.entries for name, part in parts.items()}}, files)


def read_maps(
    taken: Mapping[str, tuple[Path, Mapping[str, Any]]], subjects: Sequence[Subject], hashes: Hashes
) -> IdentityPart:
    """The identity parts of given maps: the run that made them, and their hashes."""
    found: dict[str, Any] = {}
    files: list[InputFile] = []
    for method, (folder, manifest) in taken.items():
        run = RunFolder(folder, manifest)
        label = method_label(method)
        maps = [run.product(one.id, f"desc-{label}_importance.nii.gz") for one in subjects]
        places = [place for path in maps for place in (path, place_beside(path, label))]
        there = [InputFile.at("map", place, hashes) for place in places if place.is_file()]
        found[method] = {"run": run.identity, "maps": {one.file.name: one.sha256 for one in there}}
        files += there
    return IdentityPart({"maps": found}, files)


def read_participants(study: Study, participants: Participants) -> IdentityPart:
    """Who takes part, and from whom is learned or averaged: labels, files, and what should be predicted.

    What is read of those who take part stands beside each one's own maps and measures, so that one of them who
    changes does not make the others another run; their files are listed here.
    """
    files: dict[Path, InputFile] = {}
    told: dict[str, Any] = {}
    for subject in {one.id: one for one in participants.everybody}.values():
        try:
            read = study.read_of("benchmark", subject)
        except InputError:  # left out, and told, where it is to be prepared
            continue
        for what in ("image", "mask", "truth", "distractors"):
            if what in subject.files:
                files[subject.files[what]] = InputFile(what, subject.files[what].absolute(), read[f"{what}_sha256"])
        told[subject.id] = read
    learners = [*participants.learners, *participants.held_out]
    learned = [[subject.id, told.get(subject.id)] for subject in learners]
    entries = {"participants": [one.id for one in participants.chosen], "learners_sha256": digest_of(learned)}
    return IdentityPart(entries, list(files.values()))


def common_sha256(run: RunFolder, base: Sequence[Contestant]) -> str:
    """SHA-256 over what the figures of all subjects depend on, and what this benchmark made itself."""
    template = run.path / TEMPLATE
    states = {one.name: one.state_sha256 for one in base if one.explainer.learned}
    return digest_of([states, run.hashes.of(template) if template.is_file() else None])
