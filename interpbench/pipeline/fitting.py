"""`fit`: let a method that must learn, learn from a predictor; and find again what it learned."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.choosing import log, open_cohort, problem_rows
from interpbench.cohort.persons import doubts_about_splits
from interpbench.cohort.prepared_cache import PreparedCache
from interpbench.cohort.reading import doubts_about_samples, first_volumes, read_samples
from interpbench.cohort.recorded_splits import SPLIT_TABLE, recorded_splits, write_splits
from interpbench.cohort.samples import target_of
from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import SPLITS
from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.doubts import as_counts, count_doubts, from_counts
from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import atomic_path, sha256_of, write_json
from interpbench.files.failures import finish
from interpbench.files.records import NUMBER, ListOf, Maybe, read_record
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.host.components import accepts, make_component
from interpbench.host.foreign import asking
from interpbench.host.learned import Learned, learned_by
from interpbench.host.registry import discover
from interpbench.host.trust import Names, checked_options, code_named_by, remember
from interpbench.host.untouched import untouched
from interpbench.images.typical import typical_of
from interpbench.predictor.model import load_predictor
from interpbench.predictor.weights import read_weights
from interpbench.run.device import resolve_device
from interpbench.run.identity import (
    InputFile,
    Read,
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
from interpbench.run.trying import try_before_use

_NEEDED = {
    "method": str,
    "options": dict,
    "predictor_sha256": str,
    "sha256": str,
    "target_class": Maybe(str),
    "subjects": Maybe(NUMBER),
    "record": Maybe({"warnings": Maybe(ListOf(str)), "diagnostics": Maybe(dict)}),
}
STATE, RECORD, TIMES, WORKSPACE = "state.safetensors", "fitted.json", "times.json", "checkpoints"


def fit(
    cohort: str | Path,
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
        cohort: a folder with `participants.tsv`, or a table.
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
    given = {"cohort": Path(cohort), "predictor": Path(predictor), "out": out, "options": options, "cache": cache}
    check_places("fit", given)
    explainer, installed = make_component("explainer", method, options, preset=preset, seed=seed)
    if not explainer.learned:
        raise UsageError(f"Method {method!r} needs no fitting: omit `fit` and run explain.")
    where = resolve_device(device)
    loaded = load_predictor(predictor, str(where), target_class, trust_factory=trust_factory)
    people = open_cohort(cohort, need_age=False, images=images)
    splits = recorded_splits(people, Path(predictor)) or split_cohort(
        people.subjects, seed=seed, column=loaded.target_column, classes=loaded.classes
    )
    learners = [subject for subject in people.subjects if splits[subject.id] == "train"]
    first = first_volumes(learners, loaded.recipe, where)
    try_before_use(loaded, first, str(predictor), predictor_record(predictor))
    read_by = [
        read_component(explainer, installed),
        read_predictor(predictor, loaded),
        read_cohort(people, splits),
        read_settings(method=method, seed=seed, images=people.rules.to_json()),
        read_machine(where),
    ]
    identity = identity_of("fit", read_by, {**target_of_run(loaded), "recipe": loaded.recipe.to_json()})
    command = {"cohort": people.table, "predictor": predictor, "preset": preset, "device": str(where)}
    finished = (Path(out) / RECORD).is_file()
    run = RunFolder.open(out, "fit", {**identity, "command": command}, anew=None if finished else (WORKSPACE,))
    run.write_inputs(input_rows(read_by))
    if run.resumed and finished:
        log.info("%s: already fitted with these settings; nothing to do", run.path)
        fitted: Explainer = load_fitted(run.path, loaded, trust_factory=code_named_by(explainer).values())
    else:
        write_splits(run.path, people.subjects, splits)
        parts = {split: [one for one in people.subjects if splits[one.id] == split] for split in SPLITS}
        if not parts["train"]:
            raise InputError(f"{people.table}: the training split is empty, so {method!r} cannot learn from it.")
        target = functools.partial(target_of, predictor=loaded)
        prepared = None if cache is None else PreparedCache(cache)
        read = functools.partial(read_samples, recipe=loaded.recipe, target=target, prepared=prepared)
        training, failures = read(parts["train"], what="reading the training split")
        validation, more = read(parts["validation"], what="reading the validation split")
        log.info("fitting %s on %d subjects, %d for validation, on %s", method, len(training), len(validation), where)
        workspace = {"workspace": run.path / WORKSPACE} if accepts(explainer.fit, "workspace") else {}
        with untouched(loaded.module):
            torch.manual_seed(seed)
            with asking(f"method {method!r}", torch.empty(1, 1, *loaded.recipe.shape, device="meta")):
                fitted = explainer.fit(loaded, training, validation, **workspace)
        learned = learned_by(fitted, method)
        for warning in learned.record.get("warnings", ()):
            log.warning("%s: %s", method, warning)
        run.write_failures(problem_rows(people) + failures + more)
        typical = typical_of(predictor_record(predictor), predictor)
        doubts = doubts_about_samples(training, typical) | doubts_about_samples(validation, typical)
        for label, some in doubts_about_splits(people.subjects, splits).items():
            doubts.get(label, []).extend(some)
        number = len(training) + len(validation)
        _write(run.path, learned, {**identity, "subjects": number, **as_counts(doubts)})
        remember(run.path / RECORD, explainer)
    run.end([STATE, RECORD, SPLIT_TABLE, FAILURES], no_longer=[WORKSPACE])
    record = read_fitted(run.path)
    count_doubts(from_counts(record), record.get("subjects") or 0)
    finish(run.failures(), run.path / FAILURES, record.get("subjects") or 0)
    return fitted


def load_fitted(
    folder: str | Path, predictor: Predictor, *, method: str | None = None, trust_factory: Names = ()
) -> Explainer:
    """Find a fitted explainer again.

    Args:
        predictor: the one that it was fitted to.
        method: the one expected; None for any.
        trust_factory: what the record may import, where options of the method name code.

    Raises:
        InputError: nothing fitted there, damaged, or fitted to another predictor; code that is not allowed.
        UsageError: another method.
    """
    folder = Path(folder)
    record = read_fitted(folder)
    if method is not None and method != record["method"]:
        raise UsageError(f"{folder} was fitted with method {record['method']!r}, not {method!r}.")
    if record.get("target_class") != predictor.target_class:
        there, here = _logit_of(record.get("target_class")), _logit_of(predictor.target_class)
        raise InputError(
            f"{folder} was fitted to {there}, not to {here}. Fit the method to this class, or give the other class."
        )
    if record["predictor_sha256"] != predictor.fingerprint:
        raise InputError(
            f"{folder} was fitted to another predictor ({record['predictor_sha256'][:12]}) than this one"
            f" ({predictor.fingerprint[:12]}). Fit the method to this predictor."
        )
    state = folder / STATE
    if not state.is_file() or sha256_of(state) != record["sha256"]:
        raise InputError(f"{state}: missing, or its SHA-256 differs from the one in {RECORD}: fit again.")
    options = checked_options(
        discover().load("explainer", record["method"]), record["options"], folder / RECORD, trust_factory
    )
    explainer, _ = make_component("explainer", record["method"], options)
    learned = read_weights(state)
    measured = {**(record.get("record") or {}), **_times(folder)}
    with asking(f"method {record['method']!r}", what=f"cannot use its state in {state}"):
        fitted: Explainer = explainer.with_state(learned).with_record(measured)
    return fitted


def read_learned(folder: str | Path) -> Read:
    """What a fitted method is, to a run that uses it: the bytes of its record, which vouches for its state's."""
    files = [InputFile.at("fitted", Path(folder) / name) for name in (RECORD, STATE)]
    return Read({"learned": {"record_sha256": files[0].sha256, "state_sha256": files[1].sha256}}, files)


def _logit_of(target_class: str | None) -> str:
    return "a predictor without classes" if target_class is None else f"the logit of class {target_class!r}"


def read_fitted(folder: str | Path) -> dict[str, Any]:
    """What is on record of a fitted explainer: `method`, `options`, `predictor_sha256`, `record`, ...

    Raises:
        InputError: there is none in this folder.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        raise InputError(f"{folder}: is not a folder of a fit, {RECORD} is missing. `interpbench fit` writes it.")
    return read_record(path, _NEEDED, "record of a fitted explainer")


def _times(folder: Path) -> dict[str, Any]:
    """How long it took, which is no part of what was learned."""
    place = folder / TIMES
    return read_record(place, {"training_seconds": Maybe(NUMBER)}, "record of times") if place.is_file() else {}


def _write(folder: Path, learned: Learned, identity: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    with atomic_path(folder / STATE) as path:
        save_file(dict(learned.state), path)
    measured = dict(learned.record)
    if "training_seconds" in measured:
        write_json(folder / TIMES, {"training_seconds": measured.pop("training_seconds")})
    write_json(folder / RECORD, {**identity, "sha256": sha256_of(folder / STATE), "record": measured})
