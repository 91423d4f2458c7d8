"""`search`: fit a method under every combination of some options, and choose by what the validation split shows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import log
from interpbench.cohort.in_memory import CohortSource
from interpbench.errors import NotApplicable, PluginError, ResourceError, UsageError
from interpbench.files.run_folder import RunFolder
from interpbench.host.components import make_component
from interpbench.host.registry import discover
from interpbench.host.trust import Names
from interpbench.options import checked_seed, option_fields, options_json
from interpbench.pipeline.choosing import Trial, label_of, trial_of, write_choice
from interpbench.pipeline.fitting import FitEnd, fit_study
from interpbench.pipeline.learners import Learners
from interpbench.progress import track
from interpbench.run.asked import AskedMethod
from interpbench.run.device import resolve_device
from interpbench.run.identity import IdentityPart, identity_of, read_component, read_machine, read_settings, read_splits
from interpbench.run.places import placed_cohort
from interpbench.run.study import Study


def search(
    cohort: CohortSource,
    predictor: str | Path,
    out: str | Path,
    *,
    method: str,
    grid: Mapping[str, Sequence[Any]],
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: str | Path | None = None,
    tolerance: float = 0.5,
    images: Mapping[str, Any] | None = None,
    trust_factory: Names = (),
) -> dict[str, Any]:
    """Fit a method under every combination of some options, and choose one on the validation split.

    Of the combinations whose `error` is at most `clean_error + tolerance`, the one with the largest `amount` is
    chosen; where there is none, the one with the smallest `error`, with a warning. For `unoise` the error is the
    recalibrated noisy MAE, and the amount the mean over brain voxels of log10 sigma.

    Args:
        cohort, predictor, options, preset, seed, device, cache, images, trust_factory: as for `fit`.
        out: a folder of `fit` for each combination (`1`, `2`, ...), `search.tsv` (a row each), `search.json` (the
            choice and its rule), `search.png` (the curve it was chosen by). The same command again goes on where it
            was interrupted; with another `tolerance` it chooses anew among what is fitted.
        method: one that must learn, and gives `record["selection"]`.
        grid: the values of each option to search, as text or typed; the last option varies fastest. A combination
            that the method does not allow is left out.
        tolerance: how far the error may be above the error without noise, in the target's unit.

    Returns:
        The content of `search.json`: `chosen` (its `folder`, `options` and figures), `rule`, `warnings`, ...

    Raises:
        UsageError: a method with nothing to choose by, an option or value that it does not have.
        SubjectsFailed: the search is done and written, but some subjects were left out.
    """
    given = {
        "predictor": Path(predictor),
        "out": out,
        "options": options,
        "grid": grid,
        "cache": cache,
    }
    seed = checked_seed(seed)
    cohort = placed_cohort("search", cohort, given)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(f"tolerance must be a number of at least 0, in the target's unit, got {tolerance}.")
    _refuse_code(method, grid)
    study = Study.open(
        cohort, predictor, resolve_device(device), images=images, cache=cache, trust_factory=trust_factory
    )
    combinations = _combinations(method, grid, options or {}, preset, seed)
    explainer, installed = make_component("explainer", method, {**(options or {}), **combinations[0]}, preset=preset)
    if not explainer.learned:
        raise UsageError(f"Method {method!r} needs no fitting, so there is nothing to search.")
    fixed = {name: value for name, value in options_json(explainer).items() if name not in grid and name != "seed"}
    component = read_component(explainer, installed, study.hashes)
    parts = [
        IdentityPart({**component.entries, "options": fixed}),
        study.read_predictor,
        study.read_cohort_files,
        read_splits(study.splits or {}),
        read_settings(method=method, combinations=combinations, seed=seed, images=study.cohort.rules.to_json()),
        read_machine(study.device),
    ]
    asked = identity_of("search", parts, {})
    command = {"cohort": cohort, "predictor": predictor, "preset": preset, "device": device, "tolerance": tolerance}
    run = RunFolder.open(out, "search", {**asked, "command": command}, hashes=study.hashes)
    trials: list[Trial] = []
    learners = Learners(study, seed)
    left_out: FitEnd | None = None
    for number, values in enumerate(track(combinations, "search", unit="fit"), start=1):
        log.info("combination %d of %d: %s", number, len(combinations), label_of(values))
        folder = run.path / str(number)
        one = AskedMethod(name=method, options={**(options or {}), **values}, preset=preset, seed=seed)
        try:
            end = fit_study(study, one, folder, learners)
        except (PluginError, NotApplicable, ResourceError) as error:
            log.warning("%s: %s", label_of(values), error)
            trials.append(Trial(values, folder.name, {}, failure=str(error)))
            continue
        left_out = end if end.failures else left_out  # fitted and written all the same
        trials.append(trial_of(values, folder.name, end.record.get("record") or {}, method))
    record = write_choice(run.path, trials, tolerance)
    if left_out is not None:
        left_out.finish()
    return record


def _refuse_code(method: str, grid: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a grid over what names code: it may come from a file, which can name none."""
    for field in option_fields(discover().load("explainer", method)):
        if field.metadata.get("runs") and field.name in grid:
            raise UsageError(f"{field.name} of {method!r} names code to run, which cannot be searched: give it by -o.")


def _combinations(
    method: str, grid: Mapping[str, Sequence[Any]], options: Mapping[str, Any], preset: str | None, seed: int
) -> list[dict[str, Any]]:
    """Every combination that the method allows, typed and JSON-ready, in the grid's order.

    A value that no combination allows is an error of the user's; the others are left out, and told.
    """
    if not grid or not all(grid.values()):
        raise UsageError("A search needs a grid: at least one option, with at least one value each.")
    for name in grid:
        if name in options:
            raise UsageError(f"{name} is in the grid and in the options: give it once.")
    allowed: list[dict[str, Any]] = []
    refused: list[tuple[dict[str, Any], UsageError]] = []
    alive: set[tuple[str, str]] = set()  # an option and a value of it that some combination allows
    for values in _products(grid):
        try:
            explainer, _ = make_component("explainer", method, {**options, **values}, preset=preset, seed=seed)
        except UsageError as error:
            refused.append((values, error))
            continue
        alive |= _pairs(values)
        typed = {name: options_json(explainer)[name] for name in values}
        if typed not in allowed:
            allowed.append(typed)
    for values, reason in refused:
        if not alive >= _pairs(values):
            raise reason
        log.warning("excluded: %s: %s", label_of(values), reason)
    return allowed


def _products(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _pairs(values: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(name, repr(value)) for name, value in values.items()}
