"""`fit`: let a method that must learn, learn from a predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log, problem_rows
from interpbench.cohort.in_memory import CohortSource
from interpbench.cohort.reading import doubts_about_samples
from interpbench.cohort.recorded_splits import SPLIT_TABLE, write_splits
from interpbench.contract.interfaces import Explainer
from interpbench.doubts import as_counts, count_doubts, from_counts
from interpbench.errors import InputError, UsageError
from interpbench.files.failures import finish
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.components import accepts
from interpbench.host.foreign import asking
from interpbench.host.learned import Learned, learned_by
from interpbench.host.trust import Names, code_named_by, remember
from interpbench.host.untouched import untouched
from interpbench.options import checked_seed
from interpbench.pipeline.fitted import RECORD, STATE, WORKSPACE, Fitted, open_fitted, read_fitted, write_fitted
from interpbench.pipeline.learners import Learners
from interpbench.run.asked import AskedMethod
from interpbench.run.device import resolve_device
from interpbench.run.identity import identity_of, input_rows, read_component, read_machine, read_settings, read_splits
from interpbench.run.places import placed_cohort
from interpbench.run.study import Study


def fit(
    cohort: CohortSource,
    predictor: str | Path,
    out: str | Path,
    *,
    method: str,
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    target_class: str | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: str | Path | None = None,
    images: Mapping[str, Any] | None = None,
    trust_factory: Names = (),
) -> Explainer:
    """Fit a method to a predictor, on the training split that the predictor itself was trained on.

    Where neither the predictor nor the table records a split, the cohort is divided 75/10/15, stratified by age, or by
    what else is predicted.

    Args:
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows.
        predictor: a model folder, or the name of a predictor without weights.
        out: `state.safetensors`, `fitted.json` (its record, with the predictor's fingerprint), `times.json`,
            `split.tsv`. While it learns, `checkpoints/`; the same command goes on from them.
        method: an explainer that must learn.
        options, preset: of the method.
        target_class: of a classifier, the class whose logit is explained; None for the one on record.
        seed: of its option `seed`, where it has one, and of the global random state.
        device: `auto`, `cpu` or `cuda`.
        cache: a folder for prepared volumes, which other runs may share; None reads every image anew. The result is
            the same.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.
        trust_factory: what the predictor's record may import, as for `load_predictor`.

    Returns:
        The fitted explainer.

    Raises:
        UsageError: the method has nothing to learn.
        InputError: nobody to learn from; the predictor's answer is squashed, or the same for everybody.
        SubjectsFailed: it was fitted and written, but some subjects were left out.
    """
    given = {"predictor": Path(predictor), "out": out, "options": options, "cache": cache}
    seed = checked_seed(seed)
    cohort = placed_cohort("fit", cohort, given)
    asked = AskedMethod(name=method, options=options or {}, preset=preset, seed=seed)
    _must_learn(asked)
    where = resolve_device(device)
    study = Study.open(
        cohort,
        predictor,
        where,
        target_class=target_class,
        images=images,
        cache=cache,
        trust_factory=trust_factory,
    )
    end = fit_study(study, asked, Path(out), Learners(study, seed))
    end.finish()
    return end.explainer


@dataclass(frozen=True, eq=False, kw_only=True)
class FitEnd:
    """How a fit ended: it is written, though some subjects may have been left out."""

    explainer: Explainer
    fitted: Fitted | None  # as it is on disk, where it had been fitted before
    listed: Path  # the list of those left out
    failures: Sequence[Mapping[str, Any]]
    record: Mapping[str, Any]  # the content of `fitted.json`

    def finish(self) -> None:
        """Report the end of the fit, and raise an error if subjects failed.

        Raises:
            SubjectsFailed: somebody was left out.
        """
        finish(self.failures, self.listed, self.record.get("subjects") or 0)


def fitted_in(study: Study, asked: AskedMethod, out: Path, learners: Learners, allowed: Names) -> Fitted:
    """Fit a method unless that is done; returns what its folder holds. Who was left out is told and listed there.

    Args:
        allowed: what the fit's record may import.
    """
    return fit_study(study, asked, out, learners).fitted or open_fitted(out, study, trust_factory=allowed)


def fit_study(study: Study, asked: AskedMethod, out: Path, learners: Learners) -> FitEnd:
    """Fit a method to the study's predictor, or find that it is done; everything is written into `out`.

    Raises:
        UsageError: the method has nothing to learn.
        InputError: nobody to learn from; the predictor is refused.
    """
    explainer, installed = _must_learn(asked)
    cohort, splits = study.cohort, learners.splits
    study.tried(learners.of("train"), learn=True)
    parts = [
        read_component(explainer, installed, study.hashes),
        study.read_predictor,
        study.read_cohort_files,
        read_splits(splits),
        read_settings(method=asked.name, seed=asked.seed, images=cohort.rules.to_json()),
        read_machine(study.device),
    ]
    identity = identity_of("fit", parts, study.follows)
    command = {
        "cohort": cohort.table,
        "predictor": study.source,
        "preset": asked.preset,
        "device": str(study.device),
    }
    finished = (out / RECORD).is_file()
    run = RunFolder.open(
        out, "fit", {**identity, "command": command}, anew=None if finished else (WORKSPACE,), hashes=study.hashes
    )
    run.write_inputs(input_rows(parts))
    before = None
    if run.resumed and finished:
        log.info("%s: already fitted with these settings; nothing to do", run.path)
        before = open_fitted(run.path, study, trust_factory=code_named_by(explainer).values())
        fitted = before.explainer
    else:
        write_splits(run.path, cohort.subjects, splits)
        fitted, learned = _fit(study, asked, explainer, learners, run.path)
        run.write_failures(problem_rows(cohort) + learners.failures)
        doubts = doubts_about_samples(learners.training) | doubts_about_samples(learners.validation)
        for label, some in study.doubts_about_splits(splits).items():
            doubts.get(label, []).extend(some)
        write_fitted(run.path, learned, {**identity, "subjects": learners.number, **as_counts(doubts)}, study.hashes)
        remember(run.path / RECORD, explainer)
    run.end([STATE, RECORD, SPLIT_TABLE, FAILURES], no_longer=[WORKSPACE])
    record = read_fitted(run.path) if before is None else before.record
    count_doubts(from_counts(record), record.get("subjects") or 0)
    return FitEnd(explainer=fitted, fitted=before, listed=run.path / FAILURES, failures=run.failures(), record=record)


def _must_learn(asked: AskedMethod) -> tuple[Explainer, Any]:
    explainer, installed = asked.made()
    if not explainer.learned:
        raise UsageError(f"Method {asked.name!r} needs no fitting: omit `fit` and run explain.")
    return explainer, installed


def _fit(
    study: Study, asked: AskedMethod, explainer: Explainer, learners: Learners, folder: Path
) -> tuple[Explainer, Learned]:
    """Fit the method; return it, and its state.

    Raises:
        InputError: nobody to learn from.
    """
    if not learners.of("train"):
        raise InputError(f"{study.cohort.table}: the training split is empty, so {asked.name!r} cannot learn from it.")
    training, validation = learners.training, learners.validation
    log.info(
        "fitting %s on %d subjects, %d for validation, on %s",
        asked.name,
        len(training),
        len(validation),
        study.device,
    )
    workspace = {"workspace": folder / WORKSPACE} if accepts(explainer.fit, "workspace") else {}
    with untouched(study.predictor.module):
        torch.manual_seed(asked.seed)
        with asking(f"method {asked.name!r}", torch.empty(1, 1, *study.recipe.shape, device="meta")):
            fitted = explainer.fit(study.predictor, training, validation, **workspace)
    learned = learned_by(fitted, asked.name)
    for warning in learned.record.get("warnings", ()):
        log.warning("%s: %s", asked.name, warning)
    return fitted, learned
