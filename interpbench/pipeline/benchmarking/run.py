"""`benchmark`: the same predictor, the same subjects, every method, every measure, with intervals."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import choose, log, open_cohort, problem_rows
from interpbench.cohort.reading import first_volumes, read_samples
from interpbench.cohort.recorded_splits import recorded_splits
from interpbench.cohort.samples import Samples, target_of
from interpbench.cohort.subjects import Cohort, Subject
from interpbench.contract.interfaces import Predictor
from interpbench.doubts import count_doubts
from interpbench.errors import InputError, NotApplicable, PluginError, SubjectsFailed
from interpbench.files.failures import finish
from interpbench.files.run_folder import RunFolder
from interpbench.host.ask_metric import declared
from interpbench.host.components import make_component
from interpbench.host.trust import Names, names_of
from interpbench.images.atlas import read_atlas
from interpbench.images.typical import typical_of
from interpbench.images.volume import read_volume
from interpbench.pipeline.benchmarking.contestants import (
    ALL,
    Contestant,
    named_methods,
    named_metrics,
    options_by_name,
)
from interpbench.pipeline.benchmarking.entering import TEMPLATE, Ground, divided, fitted_folders, with_template
from interpbench.pipeline.benchmarking.maps import Maps, explained_before
from interpbench.pipeline.benchmarking.people import MEAN_OF, Circumstances, common_truth, mean_of
from interpbench.pipeline.benchmarking.processes import processes_for
from interpbench.pipeline.benchmarking.reads import common_sha256, read_maps, read_methods, read_metrics, read_people
from interpbench.pipeline.benchmarking.refits import Refits
from interpbench.pipeline.benchmarking.results import write_results
from interpbench.pipeline.benchmarking.rounds import Measuring, make_maps
from interpbench.predictor.forward_only import forward_only
from interpbench.predictor.model import load_predictor
from interpbench.run.device import resolve_device
from interpbench.run.identity import identity_of, input_rows, read_file, read_machine, read_predictor, read_settings
from interpbench.run.places import check_places
from interpbench.run.provenance import predictor_record, target_of_run
from interpbench.run.trying import try_before_use

REFIT_VALIDATION = 16  # validation subjects of a method that is fitted again


def benchmark(
    cohort: str | Path,
    predictor: str | Path,
    out: str | Path,
    *,
    methods: Sequence[str] = (ALL,),
    measures: Sequence[str] = (ALL,),
    options: Mapping[str, Any] | None = None,
    fitted: Sequence[str | Path] = (),
    maps: Sequence[str | Path] = (),
    floors: bool = True,
    blur: float = 1.0,
    template_of: str | None = None,
    regions: str | Path | None = None,
    truth: str | Path | None = None,
    split: str | None = "test",
    participants: Sequence[str] | None = None,
    subjects: int = 15,
    repeats: int = 2,
    refit_subjects: int = 32,
    target_class: str | None = None,
    batch_size: int = 8,
    seed: int = 0,
    device: str = "auto",
    processes: int | None = None,
    images: Mapping[str, Any] | None = None,
    trust_factory: Names = (),
) -> dict[str, Any]:
    """Compare methods on one predictor: maps of the same subjects, every measure, statistics, a page.

    The same command again goes on where it was interrupted: maps are kept one by one, and so are the measures of each.

    Args:
        cohort: a folder with `participants.tsv`, or a table.
        predictor: a model folder, or the name of a predictor without weights.
        out: `measures.tsv` (a row a subject, method and measure; `measures.json` has units and directions),
            `curves.tsv`, `summary.tsv`, `benchmark.json`, `index.html`, `sub-X/` (maps on the network's grid).
        methods: explainers by name; `all` for every one that is installed.
        measures: metrics by name, or by that of one of their measures; `all` for every one that is installed.
        options: `{"METHOD.OPTION": value}`, likewise for metrics.
        fitted: folders of `fit`; a method that must learn and has none is fitted first, and kept in `out/fitted`.
        maps: folders of `explain`, whose maps are taken instead of being made.
        floors: whether the methods that know nothing of the network take part.
        blur: SD (voxels) of the Gaussian that makes a smoothed copy of each method's maps; 0 for no such copies.
        template_of: whose mean map is given to everybody, as the floor `template`; by default the first method that
            learns, else the first.
        regions: an atlas, for measures by region.
        truth: one truth for all in the template's space, not 0 where the importance must be; by default
            `truth.nii.gz` beside the cohort's table, where there is one. A column `truth` goes over it.
        split: train, validation or test; None for everybody.
        participants: labels; then `split` and `subjects` do not matter.
        subjects: how many of the split take part, drawn by `seed`; 0 for all.
        repeats: on how many of them methods are run again and again, for sensitivity, repeatability, randomised
            weights and cost; 0 for all.
        refit_subjects: training subjects of a learned method that is fitted again to randomised weights.
        target_class: of a classifier, the class whose logit is explained; None for the one on record.
        batch_size: volumes that go through the predictor at once.
        seed: of the draw of subjects, of every method and every measure.
        device: `auto`, `cpu` or `cuda`.
        processes: how many work on subjects side by side, each with one thread; None for as many as threads and
            memory allow. Of two and more the number changes no figure; one alone uses all threads, which may round
            otherwise. On a GPU it is one.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.
        trust_factory: what the predictor's record may import, as for `load_predictor`; likewise records of `fitted`
            and `maps`, where options of a method name code.

    Returns:
        The content of `benchmark.json`.

    Raises:
        InputError: the predictor's answer is squashed, or the same for everybody.
        UsageError, PluginError: a method or measure that is asked for by name does not exist or cannot be loaded.
        SubjectsFailed: everything was written, but some subjects could not be read.
    """
    from interpbench.pipeline.benchmarking.pages import write_page  # it needs matplotlib

    given_files = {"regions": regions, "truth": truth}
    check_places(
        "benchmark",
        {
            "cohort": Path(cohort),
            "predictor": Path(predictor),
            "out": out,
            "options": options,
            "fitted": [Path(one) for one in fitted],
            "maps": [Path(one) for one in maps],
            **{name: Path(one) for name, one in given_files.items() if one is not None},
        },
    )
    where = resolve_device(device)
    model = load_predictor(predictor, str(where), target_class, trust_factory=trust_factory)
    names, metric_names = named_methods(methods, floors=floors), named_metrics(measures)
    given = options_by_name(options or {}, [*names, *metric_names])
    metrics = [(name, make_component("metric", name, given.get(name, {}))[0]) for name in metric_names]
    declared(metrics)  # refuses two metrics that measure under one name
    taken = explained_before(maps, model)
    people = open_cohort(cohort, need_age=False, images=images)
    chosen, training, validation = _people(people, Path(predictor), split, participants, subjects, seed)
    first = first_volumes(chosen, model.recipe, where)
    doubts = try_before_use(model, first, str(predictor), predictor_record(predictor))
    number = processes_for(
        processes, where, subjects=len(chosen), voxels=math.prod(model.recipe.shape), batch_size=batch_size
    )
    ground = Ground(
        cohort=cohort,
        predictor=predictor,
        out=Path(out),
        seed=seed,
        device=device,
        target_class=target_class,
        fitted=fitted_folders(fitted, names),
        explained=taken,
        images=images,
        trust_factory=names_of(trust_factory),
    )
    at_once, waiting = divided(names, given)
    answer = common_truth(people, truth)
    few = max(refit_subjects, MEAN_OF)
    learners, held_out = _drawn(training or chosen, few, seed), _drawn(validation, REFIT_VALIDATION, seed)
    parts = [
        read_methods(ground, at_once, waiting, given, people),
        read_metrics(metrics),
        read_predictor(predictor, model),
        read_maps(taken, chosen),
        read_people(chosen, [*learners, *held_out], model),
        read_file("regions", regions),
        read_file("truth", answer),
        read_settings(
            blur=blur,
            template_of=template_of,
            repeats=repeats,
            refit_subjects=refit_subjects,
            seed=seed,
            images=people.rules.to_json(),
        ),
        read_machine(where, threads=1 if number > 1 else None),
    ]
    follows = {**target_of_run(model), "recipe": model.recipe.to_json(), "unit": model.unit}
    command = {
        "cohort": people.table,
        "predictor": predictor,
        "split": split,
        "device": str(where),
        "fitted": list(fitted),
        "regions": regions,
        "truth": answer,
        "options": given,
    }
    run = RunFolder.open(out, "benchmark", {**identity_of("benchmark", parts, follows), "command": command})
    run.write_inputs(input_rows(parts))
    entered, excluded = _entered(ground, at_once, given, model)
    shelf = Maps(
        run=run,
        predictor=model,
        device=where,
        seed=seed,
        folders={name: folder for name, (folder, _) in taken.items()},
        runs={name: one["run"] for name, one in run.manifest["maps"].items()},
    )
    typical = typical_of(predictor_record(predictor), predictor)
    found = make_maps(chosen, entered, shelf, model, excluded, number, typical)
    if not found.subjects:
        raise SubjectsFailed(f"None of {len(chosen)} subjects can be read: {found.failures[0]['message']}")
    base = with_template(entered, waiting, found, run.path, model, template_of)
    contestants = _with_copies(base, blur)
    aim = functools.partial(target_of, predictor=model)
    taught, checked = (
        read_samples(some, model.recipe, f"reading {what} subjects", aim)[0]
        for some, what in ((learners, "training"), (held_out, "validation"))
    )
    example = model.recipe.prepare(found.subjects[0]).volume[None].to(where)
    circumstances = Circumstances(
        predictor=model,
        device=where,
        maps=shelf,
        refits=Refits(
            folder=run.path / "refits",
            training=taught[:refit_subjects],
            validation=checked[:],
            seed=seed,
        ),
        seed=seed,
        batch_size=batch_size,
        forward=forward_only(model, example),
        truth=None if answer is None else read_volume(answer, constant_ok=True),
        regions=None if regions is None else read_atlas(regions, model.recipe).to(where),
        mean_volume=_mean_volume(taught, model, where),
    )
    work = Measuring(
        run=run,
        circumstances=circumstances,
        maps=shelf,
        base=base,
        contestants=contestants,
        metrics=metrics,
        repeats=repeats or len(found.subjects),
        common=common_sha256(run.path, base),
    )
    rows = work.measure(found, number)
    summary = write_results(run.path, rows, found, contestants, metrics, model, predictor, run.manifest, doubts)
    write_page(run.path, summary, found, base, shelf, model, circumstances.truth, _command(run.manifest))
    run.end([TEMPLATE, "measures.tsv", "curves.tsv", "summary.tsv", "measures.json"])
    failures = ([] if participants else problem_rows(people)) + found.failures
    run.write_failures(failures)
    count_doubts(found.doubts, len(found.subjects))
    finish(failures, run.path / "failures.tsv", len(found.subjects))
    return summary


def _entered(
    ground: Ground, names: Sequence[str], options: Mapping[str, Mapping[str, Any]], model: Predictor
) -> tuple[list[Contestant], dict[str, str]]:
    """The methods made ready, and why others are not: one that cannot be fitted does not stop the rest."""
    entered: list[Contestant] = []
    excluded: dict[str, str] = {}
    for name in names:
        try:
            entered.append(ground.ready(name, options.get(name, {}), model))
        except (InputError, NotApplicable, PluginError) as error:
            log.warning("%s is excluded: %s", name, error)
            excluded[name] = str(error)
    return entered, excluded


def _command(manifest: Mapping[str, Any]) -> str:
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


def _people(
    people: Cohort, predictor: Path, split: str | None, participants: Sequence[str] | None, number: int, seed: int
) -> tuple[list[Subject], list[Subject], list[Subject]]:
    """Who takes part, and who belongs to the training and the validation split."""
    splits = recorded_splits(people, predictor)
    chosen = choose(people, splits, split, participants)
    if number and not participants and len(chosen) > number:
        log.info(
            "%d of %d subjects are included, drawn with seed %d; --subjects 0 includes all", number, len(chosen), seed
        )
        chosen = _drawn(chosen, number, seed)
    parts = splits or {}
    training, validation = (
        [one for one in people.subjects if parts.get(one.id) == part] for part in ("train", "validation")
    )
    return chosen, training, validation


def _drawn(subjects: Sequence[Subject], number: int, seed: int) -> list[Subject]:
    """So many of the subjects, drawn by the seed, in their own order."""
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed)).tolist()
    return [subjects[index] for index in sorted(order[:number])]


def _mean_volume(samples: Samples, model: Predictor, device: torch.device) -> torch.Tensor | None:
    """The mean of training volumes, where the images share a space."""
    mean = mean_of(samples) if model.recipe.centre is not None else None
    return None if mean is None else mean.to(device)


def _with_copies(base: Sequence[Contestant], blur: float) -> list[Contestant]:
    """The contestants, with a blurred copy of each method; floors have none, they are bars as they are."""
    copies = [one.blurred(blur) for one in base if one.kind == "method"] if blur > 0 else []
    methods = [one for one in base if one.kind == "method"]
    return [*methods, *copies, *[one for one in base if one.kind == "floor"]]
