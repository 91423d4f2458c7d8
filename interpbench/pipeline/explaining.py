"""`explain`: an importance map for every subject, on its image's own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import problem_rows
from interpbench.cohort.in_memory import CohortSource
from interpbench.cohort.recorded_splits import all_splits, known_splits, recorded_splits
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Explainer
from interpbench.doubts import count_doubts, from_record
from interpbench.errors import UsageError, nearest_kind
from interpbench.files.failures import failure, finish
from interpbench.files.locks import alone
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.trust import Names, code_named_by
from interpbench.maps.files import FailedSubject
from interpbench.options import checked_seed, options_json
from interpbench.parallel.overlap import AHEAD
from interpbench.parallel.shards import share_of
from interpbench.pipeline.fitted import Fitted, open_fitted, read_learned
from interpbench.pipeline.fitting import fitted_in
from interpbench.pipeline.learners import Learners
from interpbench.pipeline.map_run import MapRun
from interpbench.pipeline.own_fit import mark_own, own_files
from interpbench.predictor.readout import ends_in_bound
from interpbench.run.asked import AskedMethod, AskedSubjects, Compute
from interpbench.run.identity import (
    IdentityPart,
    distribution_of,
    identity_of,
    input_rows,
    read_component,
    read_machine,
    read_settings,
    read_splits,
)
from interpbench.run.places import placed_cohort
from interpbench.run.study import Study

FITTED = "fitted"  # below the output: where a method that had to learn is kept


def explain(
    cohort: CohortSource,
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
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows; it needs no ages.
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
        "predictor": Path(predictor),
        "out": out,
        "options": options,
        "fitted": None if fitted is None else Path(fitted),
    }
    seed = checked_seed(seed)
    cohort = placed_cohort("explain", cohort, given)
    compute = Compute.on(device, batch_size, ahead)
    subjects = AskedSubjects.of(split, participants, shard)
    asked = AskedMethod(name=method, options=options or {}, preset=preset, seed=seed)
    asked.made()  # refused before anything is opened
    cohort, out = cohort.absolute(), Path(out).absolute()  # whatever folder a method works in meanwhile
    study = Study.open(
        cohort,
        predictor,
        compute.device,
        target_class=target_class,
        images=images,
        trust_factory=trust_factory,
    )
    folder = None if fitted is None else Path(fitted)
    return explain_study(study, asked, subjects, out, compute, fitted=folder, whole=whole, fail_fast=fail_fast)


def explain_study(
    study: Study,
    asked: AskedMethod,
    who: AskedSubjects,
    out: Path,
    compute: Compute,
    *,
    fitted: Path | None = None,
    whole: bool = False,
    fail_fast: bool = False,
) -> list[Path]:
    """Write the maps of some subjects of a study; as `explain`."""
    explainer, installed = asked.made()
    used = options_json(explainer)
    allowed = (*study.trusted, *code_named_by(explainer).values())
    known = None if fitted is None else _fitted_before(fitted, study, asked, explainer, allowed)
    if known is not None:
        explainer, used = known.explainer, dict(known.record["options"])
    here = out / FITTED if fitted is None else fitted
    subjects, others = _chosen(study, who, here, study.folder)
    tried = study.tried(subjects)
    component = read_component(explainer, installed, study.hashes)
    parts = [
        IdentityPart({**component.entries, "options": used}, component.files),
        study.read_predictor,
        _learned(explainer, fitted, study),
        read_settings(method=asked.name, seed=asked.seed, whole=whole, images=study.cohort.rules.to_json()),
        read_machine(compute.device),
    ]
    identity = identity_of(
        "explain", parts, {"signed": explainer.signed, **study.follows, "unit": study.predictor.unit}
    )
    command = {
        "cohort": study.cohort.table,
        "predictor": study.source,
        "fitted": fitted,
        "split": who.split,
        "participants": who.labels,
        "preset": asked.preset,
        "device": str(compute.device),
    }
    run = RunFolder.open(
        out, "explain", {**identity, "command": command}, anew=own_files(out / FITTED), hashes=study.hashes
    )
    run.write_inputs(input_rows(parts))
    if explainer.learned and known is None:
        mark_own(here)
        with alone(out / ".fitted.lock"):
            known = fitted_in(study, asked, here, Learners(study, asked.seed), allowed)
        explainer = known.explainer
        subjects, others = _chosen(study, who, here)  # `fit` may have divided the cohort
    subjects = share_of(subjects, who.shard)
    work = MapRun(
        run=run,
        study=study,
        explainer=explainer,
        method=asked.name,
        distribution=distribution_of(installed),
        seed=asked.seed,
        whole=whole,
        ahead=compute.ahead,
        state_sha256=None if known is None else known.record["sha256"],
        predictor_doubts=(*tried.doubts, *(f"{asked.name}: {one}" for one in (known.warnings if known else ()))),
        bounded=len(tried.volumes) > 0 and ends_in_bound(study.predictor, tried.volumes[:1]),
        subject_doubts=study.doubts_about_splits(all_splits(study.cohort, here, study.folder)),
    )
    bad = [] if who.labels or who.shard[0] else problem_rows(study.cohort, others)
    if bad and fail_fast:
        run.write_failures(bad)
        finish(bad, run.path / FAILURES, 0)
    done, failed = work.explain(subjects, compute.batch_size, fail_fast=fail_fast)
    there = work.tell_alike(subjects)
    rows = bad + [failure(one.subject.id, one.subject.image, one.error) for one in failed]
    run.write_failures(rows, _about(subjects, bad) if who.some else None)
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


def _chosen(study: Study, who: AskedSubjects, *folders: Path) -> tuple[list[Subject], list[str]]:
    """The subjects to explain, and the labels of those known to belong to another split."""
    splits = recorded_splits(study.cohort, *folders)
    others = [label for label, part in known_splits(*folders).items() if who.split is not None and part != who.split]
    return study.chosen(who, splits), others


def _fitted_before(
    folder: Path, study: Study, asked: AskedMethod, explainer: Explainer, allowed: Sequence[str]
) -> Fitted:
    """An earlier fit, whose options the requested ones must not contradict."""
    if not explainer.learned:
        raise UsageError(f"Method {asked.name!r} needs no fitting: omit the fitted folder.")
    fitted = open_fitted(folder, study, method=asked.name, trust_factory=allowed)
    there, here = fitted.record["options"], options_json(explainer)
    for name in asked.options:
        if there.get(name) != here[name]:
            raise UsageError(f"{folder} was fitted with {name}={there.get(name)}, not {here[name]}: omit this option.")
    return fitted


def _learned(explainer: Explainer, fitted: Path | None, study: Study) -> IdentityPart:
    """What a learned method knows: the state that was fitted, or the cohort that it is to learn from."""
    if not explainer.learned:
        return IdentityPart({"learned": None})
    if fitted is not None:
        return read_learned(fitted, study)
    cohort, splits = study.read_cohort_files, read_splits(study.splits or {})
    return IdentityPart({"learned": {**cohort.entries, **splits.entries}}, cohort.files)
