"""`explain`: an importance map for every subject, on its image's own grid."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import choose, log, open_cohort, problem_rows
from interpbench.cohort.persons import doubts_about_splits
from interpbench.cohort.reading import first_volumes
from interpbench.cohort.recorded_splits import all_splits, known_splits, recorded_splits
from interpbench.cohort.subjects import Cohort, Subject
from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.doubts import count_doubts, from_record
from interpbench.errors import SubjectsFailed, UsageError, nearest_kind
from interpbench.files.failures import failure, finish
from interpbench.files.locks import alone
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.components import make_component
from interpbench.host.trust import Names, code_named_by, names_of
from interpbench.images.typical import typical_of
from interpbench.maps.files import FailedSubject
from interpbench.options import options_json
from interpbench.parallel.overlap import AHEAD
from interpbench.parallel.shards import shard_of, share_of
from interpbench.pipeline.fitting import fit, load_fitted, read_fitted, read_learned
from interpbench.pipeline.map_run import MapRun
from interpbench.pipeline.own_fit import mark_own, own_files
from interpbench.predictor.model import load_predictor
from interpbench.predictor.readout import ends_in_bound
from interpbench.run.device import resolve_device
from interpbench.run.identity import (
    Read,
    distribution_of,
    identity_of,
    input_rows,
    read_cohort,
    read_component,
    read_machine,
    read_predictor,
    read_settings,
)
from interpbench.run.places import check_places
from interpbench.run.provenance import predictor_record, target_of_run
from interpbench.run.trying import equal_of_subjects, try_before_use

FITTED = "fitted"  # below the output: where a method that had to learn is kept


def explain(
    cohort: str | Path,
    predictor: str | Path,
    out: str | Path,
    *,
    method: str,
    fitted: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    target_class: str | None = None,
    split: str | None = "test",
    participants: Sequence[str] | None = None,
    batch_size: int = 1,
    seed: int = 0,
    whole: bool = False,
    device: str = "auto",
    ahead: int = AHEAD,
    images: Mapping[str, Any] | None = None,
    shard: str | None = None,
    fail_fast: bool = False,
    trust_factory: Names = (),
) -> list[Path]:
    """Write the importance map of every subject asked for, with a sidecar that says where it comes from.

    The same command again goes on where it was interrupted. Several runs with other subjects may share `out`, at the
    same time as well. After a changed option, predictor, recipe or version, `out` is taken over and every map is made
    anew; another method, or a run that is still at work, keeps it.

    Args:
        cohort: a folder with `participants.tsv`, or a table; ages are not needed.
        predictor: a model folder, or the name of a predictor without weights.
        out: `sub-X/sub-X_desc-METHOD_importance.nii.gz` and `.json` for each subject, 0 outside the brain. Where a map
            does not hold, bit by bit, what the method made, `network/sub-X/` has that, on the network's grid.
        method: the explainer's name.
        fitted: a folder of `fit`. Without one, a method that must learn is fitted on the training split, and kept
            in `out/fitted`.
        options, preset: of the method.
        target_class: of a classifier, the class whose logit is explained; None for the one on record.
        split: train, validation or test; None for everybody. Who is new to the predictor counts as test.
        participants: labels, with or without `sub-`; then `split` does not matter.
        batch_size: how many subjects the method is given at once.
        seed: each subject's own seed comes from it, the label and the method.
        whole: keep what a map says outside the brain.
        device: `auto`, `cpu` or `cuda`.
        ahead: how many batches are read before the one at hand, and written after it, each in a thread of its own;
            with 0 one thing is done after the other. The maps are the same.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.
        shard: `K/N`, K from 0 on: of the subjects asked for, in the order of their labels, every N-th from the K-th on.
            `auto` takes K and N from SLURM's array, or from RANK and WORLD_SIZE. Cohort rows that cannot be used are
            told by shard 0 alone. The maps are those of one run over all.
        fail_fast: end with the first subject that fails.
        trust_factory: what the predictor's record may import, as for `load_predictor`.

    Returns:
        The maps' paths, by label.

    Raises:
        InputError: the predictor's answer is squashed, the same for everybody, or depends on chance or the batch.
        SubjectsFailed: some subjects have no map; they are listed in `out/failures.tsv`.
        InterpbenchError: no subject has one, for the method or the predictor raised an error of this kind each time.
            Where the method says of two that it is not for this network, or cannot have its options, no other is tried.
    """
    given = {
        "cohort": Path(cohort),
        "predictor": Path(predictor),
        "out": out,
        "options": options,
        "fitted": None if fitted is None else Path(fitted),
    }
    check_places("explain", given)
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
    if ahead < 0:
        raise UsageError(f"ahead must be at least 0, got {ahead}.")
    cohort, out = Path(cohort).absolute(), Path(out).absolute()  # whatever folder a method works in meanwhile
    part = shard_of(shard)
    where = resolve_device(device)
    explainer, installed = make_component("explainer", method, options, preset=preset, seed=seed)
    model = load_predictor(predictor, str(where), target_class, trust_factory=trust_factory)
    used = options_json(explainer)
    allowed = (*names_of(trust_factory), *code_named_by(explainer).values())
    if fitted is not None:
        explainer, used = _fitted_before(Path(fitted), model, method, options, explainer, allowed)
    people = open_cohort(cohort, need_age=False, images=images)
    here = out / FITTED if fitted is None else Path(fitted)
    subjects, others = _chosen(people, split, participants, here, Path(predictor))
    trained, first = predictor_record(predictor), first_volumes(subjects, model.recipe, where)
    doubts = try_before_use(model, first, str(predictor), trained)
    component = read_component(explainer, installed)
    parts = [
        Read({**component.entries, "options": used}, component.files),
        read_predictor(predictor, model),
        _learned(explainer, fitted, people, Path(predictor)),
        read_settings(method=method, seed=seed, whole=whole, images=people.rules.to_json()),
        read_machine(where),
    ]
    follows = {"signed": explainer.signed, **target_of_run(model), "recipe": model.recipe.to_json(), "unit": model.unit}
    asked = identity_of("explain", parts, follows)
    command = {
        "cohort": people.table,
        "predictor": predictor,
        "fitted": fitted,
        "split": split,
        "participants": participants,
        "preset": preset,
        "device": str(where),
    }
    run = RunFolder.open(out, "explain", {**asked, "command": command}, anew=own_files(out / FITTED))
    run.write_inputs(input_rows(parts))
    if explainer.learned and fitted is None:
        mark_own(here)
        with alone(out / ".fitted.lock"), contextlib.suppress(SubjectsFailed):  # told and listed by `fit`
            fit(
                cohort,
                predictor,
                here,
                method=method,
                options=options,
                preset=preset,
                target_class=target_class,
                seed=seed,
                device=device,
                images=images,
                trust_factory=trust_factory,
            )
        explainer = load_fitted(here, model, trust_factory=allowed)
        subjects, others = _chosen(people, split, participants, here)  # `fit` may have divided the cohort
    known = read_fitted(here) if explainer.learned else {}
    doubts = (*doubts, *(f"{method}: {one}" for one in (known.get("record") or {}).get("warnings") or ()))
    subjects = share_of(subjects, part)
    work = MapRun(
        run=run,
        explainer=explainer,
        predictor=model,
        recipe=model.recipe,
        trained=trained,
        method=method,
        distribution=distribution_of(installed),
        seed=seed,
        device=where,
        whole=whole,
        ahead=ahead,
        state_sha256=known.get("sha256"),
        table_folder=people.root,
        predictor_doubts=doubts,
        bounded=len(first) > 0 and ends_in_bound(model, first[:1]),
        typical=typical_of(trained, predictor),
        subject_doubts=doubts_about_splits(people.subjects, all_splits(people, here, Path(predictor))),
    )
    bad = [] if participants or part[0] else problem_rows(people, others)
    if bad and fail_fast:
        run.write_failures(bad)
        finish(bad, run.path / FAILURES, 0)
    done, failed = work.explain(subjects, batch_size, fail_fast=fail_fast)
    there = work.records_of(subjects)
    predictions = {**{label: float(record["prediction"]) for label, record in there.items()}, **work.predictions}
    for sentence in equal_of_subjects(model, subjects, predictions, where):
        log.warning("%s", sentence)
    rows = bad + [failure(one.subject.id, one.subject.image, one.error) for one in failed]
    run.write_failures(rows, _about(subjects, bad) if participants or part[1] > 1 else None)
    count_doubts({label: from_record(record) for label, record in there.items()}, len(there))
    if failed and not done:
        _end_where_all_failed_alike(failed)
    finish(rows, run.path / FAILURES, len(done))
    return done


def _end_where_all_failed_alike(failed: Sequence[FailedSubject]) -> None:
    """End a run without a map by the error that the method or the predictor raised for every subject.

    Raises:
        InterpbenchError: of that error's kind, unless images could not be read or the kinds differ; what the method
            says of all subjects ends the run in any case.
    """
    ends = next((one for one in failed if one.for_all), None)
    if ends is not None:
        failed = [ends] * len(failed)
    kinds = {nearest_kind(one.error) for one in failed}
    if len(kinds) > 1 or any(one.unread for one in failed):
        return
    first, kind = failed[0].error, kinds.pop()
    raise kind(f"None of {len(failed)} subjects could be explained: {first}") from first


def _about(subjects: Sequence[Subject], rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {subject.id for subject in subjects} | {str(row["participant_id"]).removeprefix("sub-") for row in rows}


def _chosen(
    people: Cohort, split: str | None, participants: Sequence[str] | None, *folders: Path
) -> tuple[list[Subject], list[str]]:
    """Whom to explain, and the labels of those known to belong to another split."""
    splits = recorded_splits(people, *folders)
    others = [label for label, part in known_splits(*folders).items() if split is not None and part != split]
    return choose(people, splits, split, participants), others


def _fitted_before(
    folder: Path,
    model: Predictor,
    method: str,
    options: Mapping[str, Any] | None,
    asked: Explainer,
    allowed: Sequence[str],
) -> tuple[Explainer, dict[str, Any]]:
    """What was fitted, and its options, which those asked for must not contradict."""
    if not asked.learned:
        raise UsageError(f"Method {method!r} has nothing to learn: leave out the fitted folder.")
    fitted = load_fitted(folder, model, method=method, trust_factory=allowed)
    there, here = dict(read_fitted(folder)["options"]), options_json(asked)
    for name in options or {}:
        if there.get(name) != here[name]:
            raise UsageError(f"{folder} was fitted with {name}={there.get(name)}, not {here[name]}: leave it out.")
    return fitted, there


def _learned(explainer: Explainer, fitted: str | Path | None, people: Cohort, predictor: Path) -> Read:
    """What a learned method knows: the state that was fitted, or the cohort that it is to learn from."""
    if not explainer.learned:
        return Read({"learned": None})
    if fitted is not None:
        return read_learned(fitted)
    found = read_cohort(people, recorded_splits(people, predictor) or {})
    return Read({"learned": found.entries}, found.files)
