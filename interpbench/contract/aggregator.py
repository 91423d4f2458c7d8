"""The interface of aggregators: many maps in, one population map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from torch import Tensor


class Aggregator(ABC):
    """Many maps on one grid in, named population maps out.

    The contract:

    - `add` takes one subject's map `(I, J, K)` float32. Memory does not grow with the number of subjects.
    - `merge` takes in what another aggregator of the same class and options has seen.
    - `result` returns named maps `(I, J, K)`; it does not depend on the order of `add`, nor on how the
      subjects were divided, beyond float64 rounding.
    - `pictured` names the result that is drawn, the first where it is None; `caption` says in words what it shows.
    """

    pictured: ClassVar[str | None] = None

    @property
    def caption(self) -> str | None:
        """The title of the pictured map; None uses the name of the result."""
        return None

    @abstractmethod
    def add(self, map: Tensor) -> None:
        """Add one subject's map `(I, J, K)`."""

    def add_brain(self, brain: Tensor) -> None:
        """Add the brain `(I, J, K)` bool of the subject whose map was added last; most aggregators ignore it."""
        return

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add everything that `other` has seen."""

    @abstractmethod
    def result(self) -> Mapping[str, Tensor]:
        """Named population maps `(I, J, K)`."""
