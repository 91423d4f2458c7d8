"""`plant`: a known signal in a user's own images, with the truth of each person."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interpbench.cohort.choosing import log, open_cohort, problem_rows
from interpbench.cohort.in_memory import CohortSource
from interpbench.doubts import OVERLAP, Doubt, as_counts, as_record, count_doubts, from_counts
from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import read_json, write_json
from interpbench.files.failures import finish
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import FAILURES, RunFolder
from interpbench.images.atlas import read_labels
from interpbench.parallel.overlap import AHEAD, behind
from interpbench.pipeline.planted_cohort import (
    DESCRIPTION,
    TABLE,
    source_of,
    write_description,
    write_planted,
    write_table,
)
from interpbench.pipeline.planting_scenes import Scene, Scenes
from interpbench.pipeline.planting_strength import (
    LinearReader,
    Surveyed,
    doubts_about,
    find_strength,
    plant_scene,
    strengths_of,
    survey,
)
from interpbench.pipeline.planting_targets import TargetColumn, Targets, bounds_of
from interpbench.planting.asked import Signal, signals_asked
from interpbench.planting.person import Planted, difference, figures
from interpbench.planting.strength import MOST, FoundStrength
from interpbench.run.identity import (
    identity_of,
    input_rows,
    read_cohort_files,
    read_file,
    read_labels_of,
    read_settings,
)
from interpbench.run.places import placed_cohort

RECORD = "plant.json"
SEARCH = "strength.json"  # what a search for the strength found, until the run ends


def plant(
    cohort: CohortSource,
    out: str | Path,
    *,
    kind: str,
    region: str | Sequence[int] | None = None,
    atlas: str | Path | None = None,
    spheres: Iterable[str | Sequence[float]] = (),
    options: Mapping[str, Any] | None = None,
    distractors: Iterable[str] = (),
    suppressors: Iterable[str] = (),
    column: str | None = None,
    r2: float = 0.8,
    strength: float | None = None,
    seed: int = 0,
    images: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Plant a known signal in the images of a cohort, and write them as a cohort with the truth of each person.

    Args:
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows.
        out: `participants.tsv` with the target `planted` and the masks `truth` and `distractors`, an image and masks
            for each subject, `plant.json`.
        kind: `contrast`, `atrophy` or `lesion`.
        region: values of each subject's `labels`, or of the atlas: `"47,48"` or numbers. A lesion lies anywhere in the
            brain without one.
        atlas: a label image in the space of the images.
        spheres: places instead of a region: `"X,Y,Z,R"` or four numbers, in mm.
        options: of the kind.
        distractors: `"KIND:VALUES"` or `"KIND:VALUES:STRENGTH"`: signals elsewhere that are unrelated to the target. A
            sphere is `X/Y/Z/R`, in mm.
        suppressors: the same, but each of these variables is also added to the target where the target acts.
        column: of numbers, which becomes the target; None draws it.
        r2: share of the target's variance that the linear reader explains; it sets the strength.
        strength: per SD of the target, in the kind's unit; then `r2` does not matter.
        seed: of the target, the places and the folds.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.

    Returns:
        The content of `plant.json`.

    Raises:
        UsageError: no such kind, option or region, or a strength that the images do not permit.
        InputError: nobody can be used, or the strength cannot be chosen.
        SubjectsFailed: the cohort was written, but some subjects were excluded.
    """
    place = placed_cohort(
        "plant", cohort, {"out": out, "atlas": None if atlas is None else Path(atlas), "options": options}
    )
    signals = signals_asked(kind, region, spheres, options, distractors, suppressors)
    asked = None if strength is not None else _between("r2", r2, 1.0)
    fixed = None if strength is None else _between("strength", strength, math.inf)
    signals = (dataclasses.replace(signals[0], strength=fixed), *signals[1:])
    opened_cohort = open_cohort(place, need_age=False, images=images)
    hashes = Hashes()
    settings = {"signals": [one.to_json() for one in signals], "column": column, "r2": asked}
    parts = [
        read_settings(settings=settings, seed=seed, images=opened_cohort.rules.to_json()),
        read_cohort_files(opened_cohort, hashes),
        read_labels_of(opened_cohort.subjects, hashes),
        read_file("atlas", atlas, hashes),
    ]
    taken = None if column is None else TargetColumn.of(opened_cohort, column)
    if taken is not None:
        opened_cohort = dataclasses.replace(
            opened_cohort, subjects=tuple(one for one in opened_cohort.subjects if one.id in taken.values)
        )
    scenes = Scenes(
        cohort=opened_cohort,
        signals=signals,
        bounds=bounds_of(signals, taken),
        atlas=None if atlas is None else read_labels(atlas, what="an atlas"),
        seed=seed,
    )
    scenes.check()
    entries = identity_of("plant", parts, {})
    run = RunFolder.open(
        out,
        "plant",
        {**entries, "command": {"cohort": opened_cohort.table, "atlas": atlas}},
        anew=None if (Path(out) / RECORD).is_file() else _unfinished(Path(out)),
        hashes=hashes,
    )
    run.write_inputs(input_rows(parts))
    if run.resumed and (run.path / RECORD).is_file():
        log.info("%s: already planted with these settings; nothing to do", run.path)
    else:
        record = _plant(run, scenes, taken, asked)
        run.write_failures(problem_rows(opened_cohort) + scenes.failures)
        write_json(run.path / RECORD, {**entries, **record})
    run.end([TABLE, DESCRIPTION, RECORD, FAILURES], no_longer=[SEARCH])
    record = dict(read_json(run.path / RECORD))
    for sentence in record["warnings"]:
        log.warning("%s", sentence)
    count_doubts(from_counts(record), record["n"])
    finish(run.failures(), run.path / FAILURES, record["n"])
    return record


def _unfinished(out: Path) -> tuple[str, ...]:
    """What a run that did not end left in its folder, and nobody may go on from."""
    return SEARCH, TABLE, DESCRIPTION, FAILURES, *(folder.name for folder in out.glob("sub-*"))


def _plant(run: RunFolder, scenes: Scenes, taken: TargetColumn | None, asked: float | None) -> dict[str, Any]:
    """Choose the strength, write everybody, and measure what a linear reader makes of it."""
    found = survey(scenes)
    labels = [subject.id for subject in found.subjects]
    targets = Targets.of(labels, scenes.signals, taken, scenes.seed)
    strength, at_most = scenes.signals[0].strength, False
    if asked is not None:
        if found.unread:
            raise InputError(f"{scenes.cohort.table}: {found.unread}: give a strength.")
        searched = _searched(run, scenes, found, targets, asked)
        strength, at_most = searched.strength, not searched.reached
    assert strength is not None
    strengths = strengths_of(scenes.signals, strength, found.most)
    reader = LinearReader(target=targets.by_label, blocks=found.blocks, seed=scenes.seed)
    written = _Written(run, scenes, strengths, targets)
    with behind(AHEAD) as submit:
        for scene in scenes.each(found.subjects, "planting"):
            made = written.make(scene, submit)
            if made is not None and not found.unread and len(reader.before) < MOST:
                reader.see(scene, made)
    if not written.figures:
        first = scenes.failures[0]["message"]
        raise InputError(f"{scenes.cohort.table}: nothing was planted. The first error: {first}")
    r2 = None if found.unread else reader.figures(asked)
    done, others = list(written.figures), len(scenes.signals) > 1
    name = None if taken is None else taken.name
    kept = targets.by_label if taken is None else taken.values
    write_table(run.path, scenes.cohort, {label: kept[label] for label in done}, others=others)
    write_description(run.path, scenes.cohort, name, _sentence(scenes.signals[0], strength))
    correlations = [1.0, *targets.correlations(done)]
    rows = zip(scenes.signals, strengths, found.most, scenes.bounds, correlations, strict=True)
    return {
        "n": len(done),
        "target": {"column": name, "mean": taken and taken.mean, "sd": taken and taken.sd},
        "signals": [
            {
                **signal.to_json(),
                "strength": own,
                "strength_unit": signal.kind.unit,
                "strength_given": signal.strength is not None,
                "most": most,
                "bound": bound,
                "correlation": same,
            }
            for signal, own, most, bound, same in rows
        ],
        "measured": _means(list(written.figures.values())),
        "r2": r2,
        "r2_unknown": found.unread or None,
        **as_record([] if r2 is None else doubts_about(r2, name, at_most=at_most)),
        **as_counts(written.doubts),
    }


class _Written:
    """Writes one person after the other; `figures` and `doubts` are by label."""

    def __init__(self, run: RunFolder, scenes: Scenes, strengths: Sequence[float], targets: Targets) -> None:
        self.run, self.scenes, self.strengths = run, scenes, strengths
        self.amounts, self.target = targets.amounts, targets.by_label
        self.figures: dict[str, Mapping[str, float]] = {}
        self.doubts: dict[str, list[str]] = {}

    def make(self, scene: Scene, submit: Any) -> Planted | None:
        """Plant a person, and have it written; None where nothing of it can be noticed."""
        label, main, strength = scene.subject.id, scene.effects[0], self.strengths[0]
        made = plant_scene(scene, self.strengths, self.amounts[label])
        voxels = int(made.truth.sum())
        if not voxels:
            words = f"{scene.subject.image}: the change is below 2 % of the brain's intensity in every voxel"
            self.scenes.fail(scene.subject, InputError(f"{words}: give a larger strength."))
            return None
        told: list[str] = list(scene.warnings)
        if made.overlap:
            words = f"{made.overlap} voxels of a distractor or suppressor lie in another's truth and were not changed"
            told.append(Doubt(words, OVERLAP))
        self.doubts[label] = told
        self.figures[label] = {"truth_voxels": voxels, **figures(main, strength)}
        record = {
            **source_of(scene.subject, self.scenes.cohort.root, self.run.hashes),
            "target": self.target[label],
            "amounts": list(self.amounts[label]),
            "strengths": list(self.strengths),
            "measured": self.figures[label],
            **as_record(told),
        }
        change = difference(scene.tissue, main, strength, self.amounts[label][0])
        submit(_write, self.run, scene, made, change, record)
        return made


def _write(run: RunFolder, scene: Scene, made: Planted, change: Any, record: Mapping[str, Any]) -> None:
    write_planted(run, scene, made, change, record, others=len(scene.effects) > 1)


def _searched(run: RunFolder, scenes: Scenes, found: Surveyed, targets: Targets, asked: float) -> FoundStrength:
    """The strength that was searched for; an earlier start of this run may have found it."""
    place = run.path / SEARCH
    if not (run.resumed and place.is_file()):
        write_json(place, dataclasses.asdict(find_strength(scenes, found, targets, asked)))
    return FoundStrength(**read_json(place))


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over subjects of each figure."""
    return {name: round(float(np.mean([one[name] for one in figures])), 6) for name in figures[0]}


def _sentence(main: Signal, strength: float) -> str:
    where = f" in {main.region}" if main.region else ""
    return f"Planted as {main.name}{where}, {strength:g} {main.kind.unit}."


def _between(name: str, value: float, highest: float) -> float:
    """A number above 0 and below another.

    Raises:
        UsageError: it is not.
    """
    if not 0 < value < highest:
        below = "" if math.isinf(highest) else f" and below {highest:g}"
        raise UsageError(f"{name} must be a number above 0{below}, got {value!r}.")
    return float(value)
