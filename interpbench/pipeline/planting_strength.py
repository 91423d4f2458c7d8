"""The strength of a planted signal, and what a linear reader makes of it: in the truth, outside it, and before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpbench.cohort.subjects import Subject
from interpbench.doubts import LEAK, READABLE, WEAK, Doubt
from interpbench.errors import InputError, UsageError
from interpbench.pipeline.planting_scenes import Scene, Scenes
from interpbench.pipeline.planting_targets import Targets
from interpbench.planting.asked import Signal
from interpbench.planting.parcels import Keys, around, blocks_of, common_keys, filled, matrix_of, share_space
from interpbench.planting.person import Planted, planted
from interpbench.planting.reader import folds_of, read, scales_of
from interpbench.planting.strength import FEWEST, KNOTS, MOST, FoundStrength, between, rounded_down, strength_for

TOLERANCE = 0.03  # by which the explained variance may miss what was asked
READ = 0.05  # share of variance that a reader may explain where nothing was planted

Row = tuple[Keys, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Surveyed:
    """Who can be used, and what everybody permits.

    Attributes:
        most: the largest strength of each signal that is permitted in every subject.
        blocks: whether the linear reader takes means over blocks of one space, or over each person's labels.
        unread: why no linear reader can be asked; empty where it can.
    """

    subjects: tuple[Subject, ...]
    most: tuple[float, ...]
    blocks: bool
    unread: str


def survey(scenes: Scenes) -> Surveyed:
    """Read everybody once.

    Raises:
        InputError: nobody can be used; the first reason.
    """
    subjects, most, brains, labelled = [], [], [], True
    for scene in scenes.each(sorted(scenes.cohort.subjects, key=lambda one: one.id), "regions"):
        subjects.append(scene.subject)
        most.append([effect.most for effect in scene.effects])
        brains.append(filled(blocks_of(scene.tissue)))
        labelled &= scene.labels is not None
    if not subjects:
        raise InputError(f"{scenes.cohort.table}: no subject can be used. The first error: {_first(scenes)}")
    together = share_space(brains)
    unread = ""
    if len(subjects) < FEWEST:
        unread = f"R2 cannot be estimated from {len(subjects)} subjects; at least {FEWEST} are needed"
    elif not together and not labelled:
        unread = "R2 cannot be estimated: the images share no space, and not every subject has labels"
    permitted = tuple(rounded_down(float(one)) for one in np.min(most, axis=0))
    for signal, limit in zip(scenes.signals, permitted, strict=True):
        if signal.strength is not None and signal.strength > limit:
            raise UsageError(
                f"the strength of the {signal.role} is {signal.strength:g}, and at most {limit:g} ({signal.kind.unit})"
                " is possible in these images."
            )
    return Surveyed(tuple(subjects), permitted, together or not labelled, unread)


def strengths_of(signals: Sequence[Signal], strength: float, most: Sequence[float]) -> tuple[float, ...]:
    """The strength of each signal: its own where given, the target's where it is of the same kind, else a usual one."""
    kind = signals[0].name
    found = [
        min(strength if one.name == kind else one.kind.usual, limit) if one.strength is None else one.strength
        for one, limit in zip(signals[1:], most[1:], strict=True)
    ]
    return strength, *found


def plant_scene(scene: Scene, strengths: Sequence[float], amounts: Sequence[float]) -> Planted:
    """A person's image with everything planted in it."""
    return planted(scene.tissue, scene.effects[0], scene.effects[1:], strengths, amounts)


@dataclass(kw_only=True, eq=False)
class LinearReader:
    """The means of people's parcels, and what a cross-validated ridge regression reads in them."""

    target: Mapping[str, float]
    blocks: bool
    seed: int
    before: dict[str, Row] = field(default_factory=dict)  # by label
    after: dict[str, Row] = field(default_factory=dict)
    touched: list[Keys] = field(default_factory=list)

    def see(self, scene: Scene, made: Planted) -> None:
        """Take in a person, before and after planting."""
        label, parcels = scene.subject.id, scene.parcels(blocks=self.blocks)
        self.before[label] = parcels.keys, parcels.means(scene.tissue.values, scene.tissue)
        self.after[label] = parcels.keys, parcels.means(made.values, scene.tissue)
        self.touched.append(parcels.touched(made.truth, scene.tissue.brain))

    def figures(self, asked: float | None) -> dict[str, Any]:
        """Explained variance before and after planting, and of it what all parcels, the truth's and the others give.

        The best linear reader is the better of two: one that is given every parcel, and one that knows where to look
        and is given those that anybody's truth touches.
        """
        labels = sorted(self.before)
        keys = common_keys([self.before[label][0] for label in labels])
        before, after = (matrix_of(keys, [rows[label] for label in labels]) for rows in (self.before, self.after))
        target = np.array([self.target[label] for label in labels])
        folds, scales = folds_of(len(labels), self.seed), scales_of(before)
        truth = np.unique(np.concatenate(self.touched))
        inside = np.isin(keys, truth)
        outside = ~np.isin(keys, around(truth) if self.blocks else truth)
        leaked = read(after[:, outside] / scales[outside], target, folds).r2 if outside.any() else None
        chosen = [np.ones(len(keys), dtype=bool), inside]
        unread, everywhere, within = (
            _read_best(features / scales, some, target, folds)
            for features, some in ((before, chosen), (after, chosen[:1]), (after, chosen[1:]))
        )
        return {
            "asked": asked,
            "before": unread,
            "reached": max(everywhere, within) if inside.any() else everywhere,
            "everywhere": everywhere,
            "inside_truth": within if inside.any() else None,
            "outside_truth": leaked,
            "features": "blocks" if self.blocks else "labels",
            "features_number": len(keys),
            "features_outside": int(outside.sum()),
            "folds": int(folds.max()) + 1,
            "n": len(labels),
        }


def _read_best(
    features: NDArray[np.float64], chosen: Sequence[NDArray[np.bool_]], target: NDArray[np.float64], folds: Any
) -> float:
    """The share that the better of several readers explains, each given some of the features; -inf of none."""
    found = [read(features[:, some], target, folds).r2 for some in chosen if some.any()]
    return max(found, default=-math.inf)


def find_strength(scenes: Scenes, found: Surveyed, targets: Targets, asked: float) -> FoundStrength:
    """The strength at which the best linear reader reaches the explained variance that is asked for.

    Every image is rendered at a few strengths, and only the means of its parcels are kept.

    Raises:
        InputError: the reader explains as much before anything is planted.
    """
    knots = (0.0, *(part * found.most[0] for part in KNOTS))
    amounts, target = targets.amounts, targets.by_label
    rows: list[list[Row]] = [[] for _ in knots]
    touched: list[Keys] = []
    seen: list[str] = []
    for scene in scenes.each(found.subjects[:MOST], "strength"):
        parcels = scene.parcels(blocks=found.blocks)
        seen.append(scene.subject.id)
        for number, knot in enumerate(knots):
            values = scene.tissue.values
            if number:
                strengths = strengths_of(scenes.signals, knot, found.most)
                made = plant_scene(scene, strengths, amounts[scene.subject.id])
                values = made.values
                touched.append(parcels.touched(made.truth, scene.tissue.brain))
            rows[number].append((parcels.keys, parcels.means(values, scene.tissue)))
    keys = common_keys([own for own, _ in rows[0]])
    features = [matrix_of(keys, some) for some in rows]
    scales = scales_of(features[0])
    features = [some / scales for some in features]
    numbers, folds = np.array([target[label] for label in seen]), folds_of(len(seen), scenes.seed)
    chosen = [np.ones(len(keys), dtype=bool), np.isin(keys, np.concatenate(touched))]
    before = _read_best(features[0], chosen, numbers, folds)
    if before >= asked:
        raise InputError(
            f"a linear reader explains {before:.0%} of the target's variance before anything is planted, which is not"
            f" below R2 {asked:g}: give a higher R2, or a strength."
        )
    return strength_for(asked, knots, lambda one: _read_best(between(knots, features, one), chosen, numbers, folds))


def doubts_about(r2: Mapping[str, Any], column: str | None, *, at_most: bool) -> list[Doubt]:
    """What the figures of the linear reader warn of.

    Args:
        column: the target's, where it was not drawn.
        at_most: whether the strength is the largest that is permitted.
    """
    doubts, n = [], r2["n"]
    if r2["asked"] is not None and r2["reached"] < r2["asked"] - TOLERANCE:
        why = "the strongest effect that is permitted" if at_most else "the effect"
        words = f"{why} lets a linear reader explain {r2['reached']:.2f} of the variance, not {r2['asked']:g} (n = {n})"
        doubts.append(Doubt(words, WEAK))
    if column is not None and r2["before"] > READ:
        words = (
            f"a linear reader explains {r2['before']:.2f} of the variance of {column} before anything is planted (n ="
            f" {n}): the truth is not complete"
        )
        doubts.append(Doubt(words, READABLE))
    if r2["outside_truth"] is not None and r2["outside_truth"] > READ:
        words = f"a linear reader explains {r2['outside_truth']:.2f} of the target's variance outside the truth"
        doubts.append(Doubt(f"{words} of all subjects (n = {n})", LEAK))
    return doubts


def _first(scenes: Scenes) -> object:
    return scenes.failures[0]["message"] if scenes.failures else "no subject has an image"
