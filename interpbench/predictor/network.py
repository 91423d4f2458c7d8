"""Predictors made of one torch network: the base of those trained here and of users' own.

A regressor's prediction is `read_out(module(volumes)) * scale + offset`.

A classifier's is the logit of one class (`interpbench.contract.outputs.log_odds`).
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Predictor
from interpbench.contract.outputs import Outputs, class_scores, log_odds, one_number, outputs_of
from interpbench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from interpbench.images.recipe import Recipe

LOGIT = "logit"  # the unit of a classifier's prediction


class NetworkPredictor(Predictor):
    """A predictor made of one network; a subclass is a frozen dataclass whose fields are the network's options.

    A subclass gives `build`. An instance holds options only, until `loaded` returns a copy that predicts. The network
    of a classifier has an output for each class, `self.outputs` of them; one output will do for two classes, as the
    logit of the second.
    """

    _module: nn.Module | None = None
    scale: float = 1.0
    offset: float = 0.0

    @abstractmethod
    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        """The network with fresh weights and `self.outputs` outputs, for inputs `(B, 1, *shape)`."""

    @property
    def outputs(self) -> int:
        """The number of outputs of the network: one, or one for each class."""
        return max(1, len(self.classes))

    @property
    def label(self) -> str:
        """The name of the network in messages."""
        return type(self).__name__

    def named_outputs(self, output: Any) -> Outputs:
        """The tensors that the network gave, as `tensors`, each with its columns `values` `(B, n)` from `start` on.

        Raises:
            PluginError: there is no tensor in it.
        """
        return outputs_of(output, self.label)

    def read_out(self, output: Any) -> Tensor:
        """One number per subject, `(B,)`, from a regressor's output, before scale and offset.

        Raises:
            InputError: the network gives several numbers a subject.
        """
        return one_number(self.named_outputs(output), self.label)

    def read_classes(self, output: Any) -> Tensor:
        """The scores `(B, C)` of the classes from a classifier's output; softmax makes probabilities of them.

        Of several tensors, the one that has as many columns as there are classes.

        Raises:
            InputError: another number of outputs than of classes.
        """
        return class_scores(self.named_outputs(output), self.classes, self.label)

    @property
    def standardise(self) -> bool:
        """Whether training puts the target to zero mean and unit variance; not where `read_out` is in the unit."""
        return True

    def aimed_at(self, column: str, classes: Sequence[str] = (), target_class: str | None = None) -> Self:
        """A copy that predicts another column, or another class's logit; it shares the network.

        Args:
            column: of the participants' table.
            classes: its words, in the order of the network's outputs; none for a number.
            target_class: one of them; the last one where it is None.

        Raises:
            UsageError: no such class.
        """
        if not classes and target_class is not None:
            raise UsageError(f"this predictor has no classes: omit the target class {target_class!r}.")
        if classes and target_class is None:
            target_class = classes[-1]
        if target_class is not None and target_class not in classes:
            hint = did_you_mean(target_class, classes)
            raise UsageError(f"unknown class {target_class!r}.{hint} The classes are: {', '.join(classes)}.")
        aimed = copy.copy(self)
        values = {"target_column": column, "classes": tuple(classes), "target_class": target_class}
        for name, value in values.items():
            object.__setattr__(aimed, name, value)
        return aimed

    def loaded(
        self, module: nn.Module, recipe: Recipe, *, unit: str = "years", scale: float = 1.0, offset: float = 0.0
    ) -> Self:
        """A copy with a trained module, frozen and in eval mode; a classifier's unit is the logit."""
        module.eval().requires_grad_(False)
        predictor = copy.copy(self)
        if self.classes:
            unit = LOGIT
        values = {"_module": module, "recipe": recipe, "unit": unit, "scale": scale, "offset": offset}
        for name, value in values.items():
            object.__setattr__(predictor, name, value)
        return predictor

    def with_module(self, module: nn.Module) -> Self:
        """A copy that predicts by another module of the same function, such as a faster one; frozen, in eval mode."""
        other = copy.copy(self)
        object.__setattr__(other, "_module", module.eval().requires_grad_(False))
        return other

    @property
    def module(self) -> nn.Module:
        if self._module is None:
            raise RuntimeError(f"{self!r} has no weights yet: use `loaded`, or `interpbench.load_predictor`")
        return self._module

    def _described(self) -> dict[str, Any]:
        return {**super()._described(), "scale": self.scale, "offset": self.offset}

    def predict(self, volumes: Tensor) -> Tensor:
        output = self.module(volumes)
        if self.target_class is None:
            return self.read_out(output) * self.scale + self.offset
        return log_odds(self.read_classes(output), self.classes.index(self.target_class))

    def class_logits(self, volumes: Tensor) -> Tensor:
        """The logits `(B, C)` of all classes of a classifier; the largest one's class is the most probable."""
        scores = self.read_classes(self.module(volumes))
        return torch.stack([log_odds(scores, index) for index in range(len(self.classes))], dim=1)
