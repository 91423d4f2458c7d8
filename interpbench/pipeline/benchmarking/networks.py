"""A benchmark of several networks: one each on the same subjects, and what changes from network to network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interpbench.cohort.choosing import problem_rows
from interpbench.cohort.samples import target_of
from interpbench.cohort.subjects import Subject
from interpbench.comparison.statistics import interval
from interpbench.errors import InterpbenchError, SubjectsFailed
from interpbench.files.atomic import read_json, write_json, write_tsv
from interpbench.files.failures import failure, finish
from interpbench.files.run_folder import MANIFEST, RunFolder
from interpbench.host.ask_predictor import predict_one
from interpbench.images.atlas import read_atlas
from interpbench.pipeline.benchmarking.asked import AskedComparison, AskedWork, MadeBefore
from interpbench.pipeline.benchmarking.comparing import command_line, compare
from interpbench.pipeline.benchmarking.entered_networks import Network, named_networks, shared_subjects
from interpbench.pipeline.benchmarking.network_maps import NetworkMaps, compare_network_maps
from interpbench.pipeline.benchmarking.network_record import record_of_networks, rows_of_networks
from interpbench.pipeline.benchmarking.results import RECORD as BENCHMARK
from interpbench.run.study import Study

NETWORKS, BETWEEN, RECORD, TABLE = "networks", "between", "networks.json", "networks.tsv"


def compare_networks(
    studies: Sequence[Study], asked: AskedComparison, before: MadeBefore, work: AskedWork, out: Path
) -> dict[str, Any]:
    """Compare methods on each of several networks, and the networks with each other.

    Args:
        studies: at least two, of one cohort.
        out: gets `networks/NAME/`, a whole benchmark each, `between/` (mean and SD of maps between networks),
            `networks.json`, `networks.tsv` and `index.html`.

    Returns:
        The content of `networks.json`.

    Raises:
        UsageError: the same network twice, networks with other units, or a fit or maps of none of them.
        InputError: nobody is in the split of every network.
        SubjectsFailed: everything was written, but some subjects could not be read.
    """
    from interpbench.pipeline.benchmarking.network_pages import write_networks_page  # it needs matplotlib

    networks = named_networks(studies, before)
    first = networks[0].study
    chosen = shared_subjects(networks, work, asked.seed)
    labels = [one.id for one in chosen]
    # Each network's benchmark has an identity of its own. What lies here is made of theirs each time, and kept nowhere.
    run = RunFolder.open(
        out,
        "networks",
        {
            "networks": {one.name: one.study.fingerprint for one in networks},
            "participants": labels,
            "command": {"cohort": first.cohort.table, "predictors": [str(one.study.source) for one in networks]},
        },
    )
    asked_of = dataclasses.replace(work.subjects, labels=labels)
    one_by_one = dataclasses.replace(work, subjects=asked_of, number=0)
    summaries: dict[str, dict[str, Any]] = {}
    for one in networks:
        place = out / NETWORKS / one.name
        try:
            summaries[one.name] = compare(one.study, asked, one.before, one_by_one, place)
        except SubjectsFailed:
            if not (place / BENCHMARK).is_file():
                raise
            summaries[one.name] = dict(read_json(place / BENCHMARK))
    errors, failures = _errors(networks, chosen)
    failed = {row["participant_id"] for row in failures}
    read = [subject for subject in chosen if f"sub-{subject.id}" not in failed]
    maps = _maps(networks, summaries, read, before.regions, out)
    record = record_of_networks(networks, summaries, errors, maps, asked.seed)
    write_json(out / RECORD, record)
    write_tsv(out / TABLE, rows_of_networks(record))
    commands = [command_line(read_json(out / NETWORKS / one.name / MANIFEST)) for one in networks]
    write_networks_page(out, record, maps, first, read, commands)
    run.end([RECORD, TABLE])
    failures = ([] if work.subjects.labels else problem_rows(first.cohort)) + failures
    run.write_failures(failures)
    finish(failures, out / "failures.tsv", len(read))
    return dict(read_json(out / RECORD))


def _errors(
    networks: Sequence[Network], chosen: Sequence[Subject]
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Each network's mean absolute error on these subjects, where they have a target; and who cannot be read."""
    found: dict[str, dict[str, Any]] = {}
    failures: dict[str, dict[str, Any]] = {}
    for one in networks:
        off = []
        for subject in chosen:
            try:
                volume = one.study.prepared.whole(subject).volume
                prediction = predict_one(one.study.predictor, volume[None].to(one.study.device))
            except InterpbenchError as error:
                failures.setdefault(subject.id, failure(subject.id, subject.image, error))
                continue
            off.append(abs(prediction - target_of(subject, one.study.predictor)))
        known = np.array([value for value in off if np.isfinite(value)])
        found[one.name] = {
            "mae": float(known.mean()) if len(known) else None,
            "interval": interval(known),
            "n": len(known),
        }
    return found, list(failures.values())


def _maps(
    networks: Sequence[Network],
    summaries: Mapping[str, Mapping[str, Any]],
    subjects: Sequence[Subject],
    atlas: Path | None,
    out: Path,
) -> dict[str, NetworkMaps]:
    """The maps of methods that have some from every network; none where the networks have other grids."""
    study = networks[0].study
    if any(one.study.recipe.to_json() != study.recipe.to_json() for one in networks):
        return {}
    methods = [
        [one["name"] for one in summary["methods"] if one["kind"] != "floor" and not one["blurred"]]
        for summary in summaries.values()
    ]
    shared = [name for name in methods[0] if all(name in some for some in methods)]
    regions = None if atlas is None else read_atlas(atlas, study.recipe)

    def parts(_subject: Subject, _prepared: Any) -> torch.Tensor | None:
        return regions

    runs = {one.name: out / NETWORKS / one.name for one in networks}
    one_space = study.recipe.centre is not None
    found = compare_network_maps(
        runs, shared, subjects, study.prepared.whole, parts, out / BETWEEN, one_space=one_space
    )
    return {name: one for name, one in found.items() if one.correlations}
