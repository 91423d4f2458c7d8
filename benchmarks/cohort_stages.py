"""What `explain` does for each subject, stage by stage, and as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from cohort_case import Case

from interpbench import Subject, explain, read_cohort, read_volume
from interpbench.files.atomic import sha256_of
from interpbench.files.run_folder import RunFolder
from interpbench.host.components import make_component
from interpbench.host.untouched import remembered
from interpbench.pipeline.fitted import open_fitted
from interpbench.pipeline.map_run import MapRun
from interpbench.run.study import Study

STAGES = ("reading", "recipe", "network", "way_back", "writing")


def seconds(function: Callable[..., object], *arguments: Any, **settings: Any) -> float:
    """How long a call takes by the clock."""
    start = time.perf_counter()
    function(*arguments, **settings)
    return time.perf_counter() - start


def stages_alone(case: Case, device: str, out: Path) -> dict[str, float]:
    """The seconds that all subjects take in each stage, one after the other and nothing beside.

    The recipe is what `MapRun.read` takes beyond reading, writing what `MapRun.write` takes beyond the way back.
    """
    run = _map_run(case, device, out)
    put_back = remembered(run.predictor.module)
    subjects = {subject.id: subject for subject in read_cohort(case.cohort, need_age=False).subjects}
    total = dict.fromkeys(STAGES, 0.0)
    for label in case.labels:
        subject, read, asked = subjects[label], _Kept(run.read), _Asked()
        reading = seconds(_read_files, subject)
        prepared = seconds(read, subject)
        network = seconds(run.explain_group, [subject], [read.result], put_back, asked)
        ((origin, _, found),) = asked.arguments
        back = sum(seconds(origin.way_back.to_source_grid, map) for map in (found.map, *found.extras.values()))
        written = seconds(run.write, *asked.arguments[0])
        each = (reading, max(prepared - reading, 0.0), network, back, max(written - back, 0.0))
        for name, value in zip(STAGES, each, strict=True):
            total[name] += value
    return total


def explained(case: Case, device: str, out: Path, labels: Sequence[str], ahead: int) -> list[Path]:
    """`interpbench explain`, from the loading of the networks to the last map."""
    return explain(
        case.cohort,
        case.predictor,
        out,
        method=case.method,
        fitted=case.fitted,
        participants=labels,
        device=device,
        ahead=ahead,
    )


class _Kept:
    """A function whose last result is kept."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> None:
        self.result = self.function(*arguments)


class _Asked:
    """Has nothing done, and keeps what it was asked to do it with."""

    def __init__(self) -> None:
        self.arguments: list[tuple[Any, ...]] = []

    def __call__(self, function: Callable[..., object], *arguments: Any) -> None:
        self.arguments.append(arguments)


def _read_files(subject: Subject) -> None:
    for file in filter(None, (subject.image, subject.mask)):
        sha256_of(file)
        read_volume(file, nan_to_zero=True, constant_ok=True)


def _map_run(case: Case, device: str, out: Path) -> MapRun:
    """What `explain` makes for itself."""
    study = Study.open(case.cohort, case.predictor, torch.device(device))
    if case.fitted:
        explainer = open_fitted(case.fitted, study).explainer
    else:
        explainer = make_component("explainer", case.method, seed=0)[0]
    told: dict[str, Any] = {"options": {}, "signed": explainer.signed, "predictor_sha256": study.fingerprint}
    return MapRun(
        run=RunFolder.open(out, "explain", told),
        study=study,
        explainer=explainer,
        method=case.method,
        distribution="",
        seed=0,
    )
