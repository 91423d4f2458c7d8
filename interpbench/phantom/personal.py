"""One person of the personal phantom: ages in a mixture of places that is this person's own.

The effect of age `a` in place `p` is `weight[p] * rate[p] * (a - 44)` mm. The weights sum to 1, so the sum of effect /
rate over the places is a person's years since 44: what tells age is the same for all, where it acts is personal.

The Sylvian fissures are a suppressor in the sense of Haufe et al. 2014. Their width says nothing about age, but it adds
to the ventricles, which do: a good predictor has to subtract it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpbench.phantom.anatomy import CSF, Anatomy, Array
from interpbench.phantom.changes import Lesion, draw_lesions, draw_moves, draw_pattern, moved, occupied, with_lesions
from interpbench.phantom.places import PLACES, Place
from interpbench.phantom.subject import (
    AGES,
    CEREBELLUM_CONTRAST,
    DEFORMATION_REACH_MM,
    GAIN,
    LESIONS,
    NOISE,
    SUPPRESSOR_MM,
)

MM_PER_YEAR = {"ventricle": 0.2, "hippocampus": 0.22, "prefrontal": 0.24, "parietal": 0.24}  # if all ageing is there
RATES = {place: MM_PER_YEAR[place.split("_")[1]] for place in PLACES}
CONCENTRATION = 0.25  # of the weights' Dirichlet distribution: one to three places carry most of a person
START_MM = 0.6  # by which each place differs from the template at the youngest age, so that nobody's is below it
INDIVIDUAL_YEARS = 0.4  # SD of a place between persons of one age and weight, in years of its ageing
TISSUE_CONTRAST = 0.035  # SD of a smooth pattern over the whole brain; it hides age from the mean of an image
PATTERN_MM = 20.0  # how smooth it is: smoother than in the plain phantom, or it would hide the places too
DEFORMATION_MM = 0.4  # less than in the plain phantom: here eight places are to be read, not two
SUPPRESSOR = "Sylvian fissures"
SUPPRESSED = ("left_ventricle", "right_ventricle")
SUPPRESSOR_SHARE = 0.15  # mm that these places grow for each mm of the suppressor
SYLVIAN_START_MM = -6.0  # the fissures' width in the mean person, beside the ellipsoids'


@dataclass(frozen=True, eq=False)
class Person:
    """All that a person is but for age; distances in mm."""

    weights: NDArray[np.float64]  # share of the ageing in each of `PLACES`, sum 1
    own: NDArray[np.float64]  # growth of each place that has nothing to do with age
    suppressor: float  # width of the Sylvian fissures beyond the mean's
    cerebellum: float  # added intensity
    lesions: list[Lesion]
    pattern: Array  # contrast of the tissue, a factor
    moves: list[Array]  # the deformation
    gain: float

    def effect(self, age: float) -> NDArray[np.float64]:
        """The effect of age in each of `PLACES`, in mm."""
        effect: NDArray[np.float64] = self.weights * np.array(list(RATES.values())) * (age - AGES[0])
        return effect


def draw_person(anatomy: Anatomy, random: np.random.Generator) -> Person:
    """A person, independent of age."""
    rates = np.array(list(RATES.values()))
    weights = random.dirichlet(np.full(len(PLACES), CONCENTRATION))
    suppressor = float(SUPPRESSOR_MM * random.standard_normal())
    own = INDIVIDUAL_YEARS * rates * random.standard_normal(len(PLACES))
    return Person(
        weights=weights,
        own=own + SUPPRESSOR_SHARE * suppressor * np.isin(PLACES, SUPPRESSED),
        suppressor=suppressor,
        cerebellum=float(CEREBELLUM_CONTRAST * random.standard_normal()),
        lesions=draw_lesions(anatomy, LESIONS, random),
        pattern=1 + TISSUE_CONTRAST * draw_pattern(anatomy, PATTERN_MM, random),
        moves=draw_moves(anatomy, DEFORMATION_MM, DEFORMATION_REACH_MM, random),
        gain=float(np.exp(GAIN * random.standard_normal())),
    )


def render_person(
    anatomy: Anatomy, places: Mapping[str, Place], person: Person, age: float, *, distractors: bool = True
) -> Array:
    """The person at `age` years without noise, `(I, J, K)` float32, exactly 0 outside the brain.

    Args:
        distractors: False renders the same person with the mean person's Sylvian fissures and cerebellum, and without
            lesions. The places where age acts stay as they are.
    """
    image = anatomy.template
    if distractors:
        image = image + person.cerebellum * occupied(anatomy.cerebellum, 0.0, anatomy)
    growth = START_MM + person.own + person.effect(age)
    lost = sum(place.lost(float(mm), anatomy) for place, mm in zip(places.values(), growth, strict=True))
    image = image + np.clip(lost, -1, 1) * (CSF - image)
    width = SYLVIAN_START_MM + (person.suppressor if distractors else 0.0)
    image = image + occupied(anatomy.sylvian, width, anatomy) * (CSF - image)
    if distractors:
        image = with_lesions(image, anatomy, person.lesions)
    image = moved(np.where(anatomy.brain, image * person.pattern, 0).astype(np.float32), person.moves)
    return np.where(brain_of(anatomy, person), person.gain * np.maximum(image, 1e-3), 0).astype(np.float32)


def brain_of(anatomy: Anatomy, person: Person) -> NDArray[np.bool_]:
    """The person's brain, the same at every age."""
    return moved(anatomy.brain.astype(np.float32), person.moves) > 0.5


def with_noise(image: Array, person: Person, random: np.random.Generator) -> Array:
    """The image as the scanner sees it: noise, and no voxel of the brain is 0."""
    noisy = image + person.gain * NOISE * random.standard_normal(image.shape).astype(np.float32)
    return np.where(image > 0, np.maximum(noisy, person.gain * 1e-3), 0).astype(np.float32)


def personal_settings() -> dict[str, Any]:
    """Every constant that a personal phantom is rendered with."""
    return {
        "ages": AGES,
        "mm_per_year": RATES,
        "concentration": CONCENTRATION,
        "start_mm": START_MM,
        "individual_years": INDIVIDUAL_YEARS,
        "suppressor": SUPPRESSOR,
        "suppressor_mm": SUPPRESSOR_MM,
        "suppressor_share": dict.fromkeys(SUPPRESSED, SUPPRESSOR_SHARE),
        "sylvian_start_mm": SYLVIAN_START_MM,
        "cerebellum_contrast": CEREBELLUM_CONTRAST,
        "tissue_contrast": TISSUE_CONTRAST,
        "pattern_mm": PATTERN_MM,
        "lesions": LESIONS,
        "deformation_mm": DEFORMATION_MM,
        "deformation_reach_mm": DEFORMATION_REACH_MM,
        "gain": GAIN,
        "noise": NOISE,
    }
