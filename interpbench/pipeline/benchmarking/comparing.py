"""A benchmark from an opened study to its page: methods made ready, maps, measures, results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import problem_rows
from interpbench.cohort.prepared_shelf import PreparedShelf
from interpbench.cohort.reading import read_samples
from interpbench.cohort.samples import Samples
from interpbench.contract.metric import Metric
from interpbench.doubts import count_doubts
from interpbench.errors import SubjectsFailed
from interpbench.files.failures import finish
from interpbench.files.run_folder import RunFolder
from interpbench.host.ask_metric import declared
from interpbench.host.components import make_component
from interpbench.images.atlas import read_atlas
from interpbench.images.volume import read_volume
from interpbench.pipeline.benchmarking.asked import AskedComparison, AskedWork, MadeBefore
from interpbench.pipeline.benchmarking.cases import MeasuringContext, mean_of
from interpbench.pipeline.benchmarking.contestants import Contestant, named_methods, named_metrics, options_by_name
from interpbench.pipeline.benchmarking.entering import (
    TEMPLATE,
    LearnedMethods,
    divided,
    entered_methods,
    fitted_folders,
    with_template,
)
from interpbench.pipeline.benchmarking.everyone import PeopleToCompare
from interpbench.pipeline.benchmarking.making import FoundMaps, make_maps
from interpbench.pipeline.benchmarking.maps import MapSource, explained_before
from interpbench.pipeline.benchmarking.measuring import Measuring
from interpbench.pipeline.benchmarking.participants import Participants, participants_of
from interpbench.pipeline.benchmarking.processes import processes_for
from interpbench.pipeline.benchmarking.reads import (
    common_sha256,
    read_maps,
    read_methods,
    read_metrics,
    read_participants,
)
from interpbench.pipeline.benchmarking.refits import Refits
from interpbench.pipeline.benchmarking.results import write_results
from interpbench.pipeline.benchmarking.truths import common_truth
from interpbench.pipeline.learners import Learners, samples_of
from interpbench.predictor.forward_only import forward_only
from interpbench.run.identity import identity_of, input_rows, read_file, read_machine, read_settings
from interpbench.run.study import Study


def compare(study: Study, asked: AskedComparison, before: MadeBefore, work: AskedWork, out: Path) -> dict[str, Any]:
    """Compare methods on a study; as `benchmark`.

    Returns:
        The content of `benchmark.json`.
    """
    from interpbench.pipeline.benchmarking.pages import write_benchmark_pages  # it needs matplotlib

    names, metric_names = named_methods(asked.methods, floors=asked.floors), named_metrics(asked.measures)
    options = options_by_name(asked.options, [*names, *metric_names])
    metrics = [(name, make_component("metric", name, options.get(name, {}))[0]) for name in metric_names]
    declared(metrics)  # refuses two metrics that measure under one name
    taken = explained_before(before.maps, study)
    participants = participants_of(study, work, asked.refit_subjects, asked.seed)
    tried = study.tried(participants.chosen)
    number = processes_for(
        work.processes,
        study.device,
        subjects=len(participants.chosen),
        voxels=math.prod(study.recipe.shape),
        batch_size=work.compute.batch_size,
    )
    learned = LearnedMethods(
        study=study,
        out=out,
        learners=Learners(study, asked.seed),
        seed=asked.seed,
        fitted=fitted_folders(before.fitted, names),
        explained=taken,
    )
    at_once, waiting = divided(names, options)
    answer = common_truth(study.cohort, before.truth)
    parts = [
        read_methods(learned, at_once, waiting, options),
        read_metrics(metrics, study.hashes),
        study.read_predictor,
        read_maps(taken, participants.chosen, study.hashes),
        read_participants(study, participants),
        read_file("regions", before.regions, study.hashes),
        read_file("truth", answer, study.hashes),
        read_settings(
            blur=asked.blur,
            template_of=asked.template_of,
            repeats=asked.repeats,
            refit_subjects=asked.refit_subjects,
            seed=asked.seed,
            images=study.cohort.rules.to_json(),
        ),
        read_machine(study.device, threads=1 if number > 1 else None),
    ]
    identity = identity_of("benchmark", parts, {**study.follows, "unit": study.predictor.unit})
    command = {
        "cohort": study.cohort.table,
        "predictor": study.source,
        "split": work.subjects.split,
        "device": str(study.device),
        "fitted": list(before.fitted),
        "regions": before.regions,
        "truth": answer,
        "options": options,
    }
    run = RunFolder.open(out, "benchmark", {**identity, "command": command}, hashes=study.hashes)
    run.write_inputs(input_rows(parts))
    with PreparedShelf(run.path, participants.everybody, study.recipe.shape) as shelf:
        study.prepared.shelf = shelf
        entered, excluded = entered_methods(learned, at_once, options)
        del learned  # what methods were fitted on is not needed any more, and may be large
        maps = MapSource(
            run=run,
            study=study,
            seed=asked.seed,
            folders={name: folder for name, (folder, _) in taken.items()},
            runs={name: one["run"] for name, one in run.manifest["maps"].items()},
        )
        found = make_maps(participants.chosen, entered, maps, excluded, number)
        if not found.subjects:
            raise SubjectsFailed(
                f"None of {len(participants.chosen)} subjects can be read: {found.failures[0]['message']}"
            )
        base = with_template(entered, waiting, found, run.path, study.predictor, asked.template_of)
        measuring = _measuring(maps, found, participants, base, metrics, asked, before.regions, answer, work)
        rows = measuring.measure(found, number)
        contestants, truth = measuring.contestants, measuring.circumstances.truth
        summary = write_results(run.path, rows, found, contestants, metrics, study, run.manifest, tried.doubts)
        write_benchmark_pages(run.path, summary, found, base, maps, truth, command_line(run.manifest))
        study.prepared.shelf = None  # it closes here, and the study may be used on
    run.end([TEMPLATE, "measures.tsv", "curves.tsv", "summary.tsv", "measures.json"])
    failures = ([] if work.subjects.labels else problem_rows(study.cohort)) + found.failures
    run.write_failures(failures)
    count_doubts(found.doubts, len(found.subjects))
    finish(failures, run.path / "failures.tsv", len(found.subjects))
    return summary


def _measuring(
    maps: MapSource,
    found: FoundMaps,
    participants: Participants,
    base: Sequence[Contestant],
    metrics: Sequence[tuple[str, Metric]],
    asked: AskedComparison,
    regions: Path | None,
    answer: Path | None,
    work: AskedWork,
) -> Measuring:
    """The second round, with all that the metrics are given.

    Args:
        base: one contestant a method.
        regions, answer: the files of the atlas, and of one truth for all.
    """
    study, run = maps.study, maps.run
    taught, checked = (
        read_samples(samples_of(study, some), f"reading {what} subjects")[0]
        for some, what in ((participants.learners, "training"), (participants.held_out, "validation"))
    )
    example = study.prepared.whole(found.subjects[0]).volume[None].to(study.device)
    refits = Refits(
        folder=run.path / "refits",
        training=taught[: asked.refit_subjects],
        validation=checked[:],
        seed=asked.seed,
    )
    circumstances = MeasuringContext(
        predictor=study.predictor,
        device=study.device,
        maps=maps,
        refits=refits,
        seed=asked.seed,
        batch_size=work.compute.batch_size,
        forward=forward_only(study.predictor, example),
        truth=None if answer is None else read_volume(answer, constant_ok=True),
        regions=None if regions is None else read_atlas(regions, study.recipe).to(study.device),
        mean_volume=_mean_volume(taught, study),
    )
    contestants = _with_copies(base, asked.blur)
    people = PeopleToCompare(maps=maps, base=base, contestants=contestants, truth=circumstances.truth, seed=asked.seed)
    compared = people if any(metric.compares_people for _, metric in metrics) else None
    return Measuring(
        run=run,
        circumstances=circumstances,
        maps=maps,
        base=base,
        contestants=contestants,
        metrics=metrics,
        repeats=asked.repeats or len(found.subjects),
        common=common_sha256(run, base),
        people=compared,
        people_sha256=None if compared is None else compared.sha256(found),
    )


def _mean_volume(samples: Samples, study: Study) -> torch.Tensor | None:
    """The mean of training volumes, where the images share a space."""
    mean = mean_of(samples) if study.recipe.centre is not None else None
    return None if mean is None else mean.to(study.device)


def _with_copies(base: Sequence[Contestant], blur: float) -> list[Contestant]:
    """The contestants, with a blurred copy of each method; floors have none, they are bars as they are."""
    copies = [one.blurred(blur) for one in base if one.kind == "method"] if blur > 0 else []
    methods = [one for one in base if one.kind == "method"]
    return [*methods, *copies, *[one for one in base if one.kind == "floor"]]


def command_line(manifest: Mapping[str, Any]) -> str:
    """The command line that does the same."""
    given = manifest.get("command") or {}
    words = ["interpbench benchmark", str(given.get("cohort"))]
    words += ["--predictor", str(given.get("predictor")), "--methods", ",".join(manifest["methods"])]
    words += ["--measures", ",".join(manifest["measures"]), "--out BENCH --no-floors"]
    words += [f"--fitted {folder}" for folder in _listed(given.get("fitted"))]
    words += [f"--{name} {given[name]}" for name in ("regions", "truth") if given.get(name)]
    words += [f"--target-class {manifest['target_class']}"] if manifest.get("target_class") else []
    words += ["--nan-to-zero"] if manifest["images"]["nan_to_zero"] else []
    words += [f"--{name.replace('_', '-')} {manifest[name]}" for name in ("blur", "repeats", "refit_subjects", "seed")]
    words += [f"--split {given.get('split') or 'all'} --subjects {len(manifest['participants'])}"]
    for name, some in (given.get("options") or {}).items():
        words += [f"-o {name}.{option}={value}" for option, value in some.items()]
    return " ".join(words)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
