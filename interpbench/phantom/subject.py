"""One phantom subject: the average anatomy, aged, varied, deformed, and imaged with gain and noise.

Age acts in two places and nowhere else: ventricles widen and hippocampi shrink. Both also vary between subjects of one
age, which is what keeps a perfect network from predicting it perfectly. Everything else is a distractor.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from interpbench.phantom.anatomy import CSF, Anatomy, Array
from interpbench.phantom.changes import draw_lesions, draw_moves, draw_pattern, moved, occupied, with_lesions

AGES = (44.0, 73.0)  # years, as in Bintsi et al. 2021

VENTRICLE_MM_PER_YEAR = 0.08
HIPPOCAMPUS_MM_PER_YEAR = 0.08
INDIVIDUAL_MM = 0.15  # SD of the ventricles' widening and, independently, of the hippocampi's shrinking
SUPPRESSOR_MM = 2.0  # SD of the Sylvian fissures' width: strong anatomy that has nothing to do with age
CEREBELLUM_CONTRAST = 0.06  # SD of the cerebellum's intensity, likewise
TISSUE_CONTRAST = 0.1  # SD of a smooth pattern over the whole brain, new in each subject
LESIONS = 4  # mean number
DEFORMATION_MM = 0.8  # SD of a displacement's component
DEFORMATION_REACH_MM = 4.0  # what no displacement exceeds
GAIN = 0.1  # SD of the scanner's log intensity scale
NOISE = 0.03  # SD, in template intensity; white matter is near 0.87


@dataclass(frozen=True)
class Traits:
    """The individual differences of a subject, before deformation and noise; distances in mm."""

    ventricles: float  # widening beyond the template's
    hippocampi: float  # shrinking
    sylvian: float
    cerebellum: float  # added intensity


def mean_traits(age: float) -> Traits:
    """The traits of the mean subject of an age, in years."""
    years = age - AGES[0]
    return Traits(VENTRICLE_MM_PER_YEAR * years, HIPPOCAMPUS_MM_PER_YEAR * years, 0.0, 0.0)


def render_mean(anatomy: Anatomy, age: float) -> Array:
    """The mean subject of `age` years without noise and deformation, `(I, J, K)`."""
    return _compose(anatomy, mean_traits(age))


def render_subject(anatomy: Anatomy, age: float, random: np.random.Generator) -> Array:
    """One subject of `age` years, `(I, J, K)` float32, exactly 0 outside the brain."""
    mean = mean_traits(age)
    spread = np.array([INDIVIDUAL_MM, INDIVIDUAL_MM, SUPPRESSOR_MM, CEREBELLUM_CONTRAST])
    values = [getattr(mean, field.name) for field in fields(Traits)] + spread * random.standard_normal(4)
    image = _compose(anatomy, Traits(*(float(value) for value in values)))
    image = with_lesions(image, anatomy, draw_lesions(anatomy, LESIONS, random))
    image = image * (1 + TISSUE_CONTRAST * draw_pattern(anatomy, 12.0, random))
    image = moved(image, draw_moves(anatomy, DEFORMATION_MM, DEFORMATION_REACH_MM, random))
    brain = image > CSF / 4
    gain = np.exp(GAIN * random.standard_normal())
    noisy = image + NOISE * random.standard_normal(image.shape).astype(np.float32)
    return np.where(brain, gain * np.maximum(noisy, 1e-3), 0).astype(np.float32)


def _compose(anatomy: Anatomy, traits: Traits) -> Array:
    image = anatomy.template + traits.cerebellum * occupied(anatomy.cerebellum, 0.0, anatomy)
    ring = occupied(anatomy.hippocampi, 0.0, anatomy) - occupied(anatomy.hippocampi, -traits.hippocampi, anatomy)
    image = image + ring * (CSF - image)
    for distance, growth in ((anatomy.ventricles, traits.ventricles), (anatomy.sylvian, traits.sylvian - 6.0)):
        filled = occupied(distance, growth, anatomy)
        if distance is anatomy.ventricles:  # the template's own ventricles stay as they are
            filled = np.clip(filled - occupied(distance, 0.0, anatomy), -1, 1)
        image = image + filled * (CSF - image)
    return np.where(anatomy.brain, image, 0).astype(np.float32)
