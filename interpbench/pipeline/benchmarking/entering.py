"""Contestants made ready: with their options, fitted where they must learn, and the template once there are maps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import log
from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError, NotApplicable, PluginError, UsageError, did_you_mean
from interpbench.files.run_folder import MANIFEST
from interpbench.host.registry import discover
from interpbench.host.trust import checked_options, code_named_by
from interpbench.images.volume import write_map
from interpbench.options import options_json
from interpbench.pipeline.benchmarking.contestants import Contestant, enter
from interpbench.pipeline.benchmarking.making import FoundMaps
from interpbench.pipeline.fitted import RECORD, open_fitted, read_fitted
from interpbench.pipeline.fitting import fitted_in
from interpbench.pipeline.learners import Learners
from interpbench.run.asked import AskedMethod
from interpbench.run.study import Study

TEMPLATE = "template.nii.gz"
Options = Mapping[str, Mapping[str, Any]]  # by the method's name


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedMethods:
    """Fitted methods: read from the folders of earlier fits, or fitted now."""

    study: Study
    out: Path
    learners: Learners
    seed: int
    fitted: Mapping[str, Path]  # method -> a folder of `fit`
    explained: Mapping[str, tuple[Path, Mapping[str, Any]]]  # method -> a folder of `explain`, its manifest

    def ready(self, name: str, options: Mapping[str, Any]) -> Contestant:
        """A method, fitted if it is one that learns.

        Raises:
            UsageError: options that differ from those of the maps that were given.
        """
        one = self.entered(name, options)
        if not one.explainer.learned:
            return one
        allowed = (*self.study.trusted, *code_named_by(one.explainer).values())
        folder = self.folder(name)
        if folder is None:
            asked = AskedMethod(name=name, options=dict(options), seed=self.seed)
            found = fitted_in(self.study, asked, self.out / "fitted" / name, self.learners, allowed)
        else:
            found = open_fitted(folder, self.study, method=name, trust_factory=allowed)
        seconds = found.explainer.record.get("training_seconds")
        measured = math.nan if seconds is None else float(seconds)
        state = str(found.record["sha256"])
        return dataclasses.replace(one, explainer=found.explainer, training_seconds=measured, state_sha256=state)

    def entered(self, name: str, options: Mapping[str, Any]) -> Contestant:
        """A method with its options: those of existing maps, if there are any.

        Raises:
            UsageError: options that differ from those of the maps that were given.
        """
        one = enter(name, options, self.seed)
        return self._as_explained(one, options) if name in self.explained else one

    def _as_explained(self, one: Contestant, options: Mapping[str, Any]) -> Contestant:
        folder, manifest = self.explained[one.name]
        there, here = dict(manifest["options"]), options_json(one.explainer)
        for option in options:
            if there.get(option) != here[option]:
                raise UsageError(
                    f"{folder} holds maps of {one.name} with {option}={there.get(option)}, not {here[option]}."
                )
        allowed = (*self.study.trusted, *code_named_by(one.explainer).values())
        return enter(one.name, checked_options(type(one.explainer), there, folder / MANIFEST, allowed), self.seed)

    def folder(self, name: str) -> Path | None:
        """The folder of its fit: the given one, or else that of its maps."""
        if name in self.fitted:
            return self.fitted[name]
        if name not in self.explained:
            return None
        folder, manifest = self.explained[name]
        recorded = (manifest.get("command") or {}).get("fitted")
        for place in (folder / "fitted", None if recorded is None else Path(recorded)):
            if place is not None and (place / RECORD).is_file():
                return place
        raise UsageError(f"{folder}: these maps are of a fitted method; give its folder of `fit` with --fitted.")


def entered_methods(
    learned: LearnedMethods, names: Sequence[str], options: Options
) -> tuple[list[Contestant], dict[str, str]]:
    """The methods that are ready, and the reasons for those that are not: one failed fit does not stop the rest."""
    entered: list[Contestant] = []
    excluded: dict[str, str] = {}
    for name in names:
        try:
            entered.append(learned.ready(name, options.get(name, {})))
        except (InputError, NotApplicable, PluginError) as error:
            log.warning("%s is excluded: %s", name, error)
            excluded[name] = str(error)
    return entered, excluded


def fitted_folders(folders: Sequence[str | Path], names: Sequence[str]) -> dict[str, Path]:
    """Folders of `fit` by method.

    Raises:
        UsageError: a method that takes no part, or two folders of one.
        InputError: nothing fitted there.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        method = str(read_fitted(folder)["method"])
        if method not in names:
            raise UsageError(
                f"{folder} was fitted with {method!r}, which is not in this benchmark.{did_you_mean(method, names)}"
            )
        if method in found:
            raise UsageError(f"Both {found[method]} and {folder} were fitted with {method!r}: give one of them.")
        found[method] = folder
    return found


def divided(names: Sequence[str], options: Options) -> tuple[list[str], list[str]]:
    """The methods that can make maps immediately, and the floors that need the cohort's mean map."""
    registry = discover()
    waiting = []
    for name in names:
        found = registry.load("explainer", name)
        if found.template is not None and found.template not in options.get(name, {}):
            waiting.append(name)
    return [name for name in names if name not in waiting], waiting


def with_template(
    base: Sequence[Contestant],
    waiting: Sequence[str],
    found: FoundMaps,
    out: Path,
    model: Predictor,
    chosen: str | None,
) -> list[Contestant]:
    """The contestants, and the floors that give everybody the mean map of one of them, written to `template.nii.gz`.

    Args:
        waiting: the floors.
        chosen: whose mean map it is; by default the first learned method's that has maps, else the first one's.

    Raises:
        UsageError: nobody of that name has maps.
    """
    if not waiting:
        return list(base)
    there = [one for one in base if one.name in found.means and one.kind == "method"]
    methods = [one.name for one in sorted(there, key=lambda one: not one.explainer.learned)]
    if chosen is not None and chosen not in found.means:
        raise UsageError(f"template_of: no maps of {chosen!r}.{did_you_mean(chosen, methods)}")
    of = chosen or next(iter(methods), None)
    if of is None or model.recipe.centre is None:
        around = "the predictor's recipe has no centre, so the network's grid is laid around each brain"
        why = around if of is not None else "no method has maps"
        log.warning("excluded: %s: %s", ", ".join(waiting), why)
        return list(base)
    write_map(out / TEMPLATE, found.means[of].float(), affine=found.affine)
    registry, file = discover(), str(out / TEMPLATE)
    return [*base, *(enter(name, {str(registry.load("explainer", name).template): file}, 0) for name in waiting)]
