"""The ground truth: rendered twice, at the youngest and at the oldest age, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpbench.phantom.anatomy import Anatomy, Array
from interpbench.phantom.personal import Person, brain_of, render_person
from interpbench.phantom.places import Place
from interpbench.phantom.subject import AGES, render_mean

TRUTH_SHARE = 0.1  # of the largest difference: below it, a voxel is only grazed by the effect


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth: where age acts, on the phantom's grid."""

    difference: Array  # |oldest - youngest| without noise, in template intensity
    region: NDArray[np.bool_]  # difference above TRUTH_SHARE of its maximum, inside the brain


@dataclass(frozen=True, eq=False)
class PersonalTruth(Truth):
    """The ground truth of one person, and where things act in this person that have nothing to do with age."""

    distractors: NDArray[np.bool_]  # Sylvian fissures, cerebellum and lesions, outside `region`


def render_truth(anatomy: Anatomy) -> Truth:
    """The ground truth of the plain phantom: of the mean subject, and so of everybody."""
    difference = np.abs(render_mean(anatomy, AGES[1]) - render_mean(anatomy, AGES[0]))
    return Truth(difference, _much(difference) & anatomy.brain)


def render_personal_truth(anatomy: Anatomy, places: Mapping[str, Place], person: Person) -> PersonalTruth:
    """The ground truth of a person: the same person at both ages; and with distractors and without, midway."""
    youngest, oldest = (render_person(anatomy, places, person, age) for age in AGES)
    difference, brain = np.abs(oldest - youngest), brain_of(anatomy, person)
    region = _much(difference) & brain
    midway = sum(AGES) / 2
    present, absent = (render_person(anatomy, places, person, midway, distractors=kept) for kept in (True, False))
    return PersonalTruth(difference, region, _much(np.abs(present - absent)) & brain & ~region)


def _much(difference: Array) -> NDArray[np.bool_]:
    return np.asarray(difference > TRUTH_SHARE * difference.max())
