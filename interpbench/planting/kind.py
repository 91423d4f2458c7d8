"""What a kind of signal is: options that a user sets, and what they make of one person's image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interpbench.options import check_options
from interpbench.planting.geometry import Array, Inside, Window
from interpbench.planting.tissue import Tissue

NOTICEABLE = 0.02  # of the brain's level: where the largest change is smaller, the image keeps its values


class Effect(ABC):
    """A signal in one person's image.

    Attributes:
        tissue: the image before anything was planted.
        window: the box outside which nothing changes.
        bound: the largest amount, in SD; amounts run from its negative.
        most: the largest strength that is permitted.
    """

    tissue: Tissue
    window: Window
    bound: float
    most: float

    @abstractmethod
    def values(self, amount: float, strength: float) -> Array:
        """The image inside the window with an amount (in SD) planted at a strength (per SD)."""

    def figures(self, strength: float) -> Mapping[str, float]:
        """What a strength means in this person, by name."""
        return {}

    def noticeable(self, strength: float) -> Inside:
        """The voxels of the window where the largest change is noticeable: there alone is the image changed."""
        before = self.tissue.values[self.window]
        least = NOTICEABLE * self.tissue.level
        low, high = (np.abs(self.values(amount, strength) - before) for amount in (-self.bound, self.bound))
        return np.asarray((np.maximum(low, high) > least) & self.tissue.brain[self.window])


@dataclass(frozen=True, kw_only=True)
class Kind(ABC):
    """A kind of signal with its options."""

    unit: ClassVar[str]  # of a strength
    usual: ClassVar[float]  # strength of a distractor of this kind

    def __post_init__(self) -> None:
        check_options(self)

    @abstractmethod
    def on(
        self, tissue: Tissue, region: Inside, random: np.random.Generator, bound: float, avoid: Inside | None = None
    ) -> Effect:
        """The effect on one person.

        Args:
            region: `(I, J, K)`, where it acts, or may act.
            random: the person's own, for what varies between people.
            bound: the largest amount, in SD.
            avoid: `(I, J, K)`, the truth of another effect, where a place must not be drawn.

        Raises:
            InputError: it cannot be planted in this image.
        """
