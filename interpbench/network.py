"""Predictors that are one torch network: what is common to those trained here and those a user brings."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn

from interpbench.interfaces import Predictor

if TYPE_CHECKING:
    from interpbench.recipe import Recipe


class NetworkPredictor(Predictor):
    """A predictor made of one network; a subclass is a frozen dataclass whose fields are the network's options.

    A subclass gives `build`. An instance holds options only, until `loaded` returns a copy that predicts
    `read_out(module(volumes)) * scale + offset`.
    """

    _module: nn.Module | None = None
    scale: float = 1.0
    offset: float = 0.0

    @abstractmethod
    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        """The network with fresh weights, for inputs `(B, 1, *shape)`."""

    def read_out(self, output: Tensor) -> Tensor:
        """One number a subject `(B,)` from the network's output, before scale and offset."""
        return output.reshape(output.shape[0])

    @property
    def standardise(self) -> bool:
        """Whether training puts the target to zero mean and unit variance; not where `read_out` is in the unit."""
        return True

    def loaded(
        self, module: nn.Module, recipe: Recipe, *, unit: str = "years", scale: float = 1.0, offset: float = 0.0
    ) -> Self:
        """A copy around a trained module, which is frozen and put in eval mode."""
        module.eval().requires_grad_(False)
        predictor = copy.copy(self)
        values = {"_module": module, "recipe": recipe, "unit": unit, "scale": scale, "offset": offset}
        for name, value in values.items():
            object.__setattr__(predictor, name, value)
        return predictor

    @property
    def module(self) -> nn.Module:
        if self._module is None:
            raise RuntimeError(f"{self!r} has no weights yet: use `loaded`, or `interpbench.load_predictor`")
        return self._module

    def predict(self, volumes: Tensor) -> Tensor:
        return self.read_out(self.module(volumes)) * self.scale + self.offset
