"""The interfaces of predictors and explainers; `aggregator` and `metric` have the other two."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from interpbench.contract.outputs import class_scores, log_odds, one_number, outputs_of
from interpbench.errors import UsageError, did_you_mean, one_line
from interpbench.files.named_files import files_in, hashes_of
from interpbench.files.source_code import source_sha256
from interpbench.options import options_json

if TYPE_CHECKING:
    from interpbench.images.recipe import Recipe

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of a function among a layer's settings: another in every process


@dataclass(frozen=True, eq=False)
class Sample:
    """One subject on the network's grid, as learned explainers train on it."""

    subject: str
    volume: Tensor  # (1, I, J, K) float32, normalised by the predictor's recipe
    brain: Tensor  # (I, J, K) bool
    target: float  # in the predictor's unit; NaN where unknown


class Predictor(ABC):
    """A frozen network: an MRI volume in, one number a subject out.

    The contract:

    - `predict` maps `(B, 1, I, J, K)` float32 to `(B,)` in `unit`, differentiably with respect to its input;
      a subject's prediction does not depend on what else is in the batch.
    - `module` is the torch module underneath, for methods that need layers. It is in eval mode, its
      parameters need no gradient, and nobody changes them.
    - `recipe` says how an image file becomes an input; `recipe.shape` is `(I, J, K)`.
    - A classifier names its `classes`, and predicts the logit of one of them, `target_class`.
    """

    unit: str = "years"
    recipe: Recipe
    target_column: str = "age"  # of the participants' table: what it predicts
    classes: tuple[str, ...] = ()  # of a classifier, in the order of its outputs; words of `target_column`
    target_class: str | None = None  # whose logit `predict` gives

    @staticmethod
    def from_module(
        network: nn.Module,
        *,
        recipe: Recipe,
        unit: str = "years",
        column: int | None = None,
        classes: Sequence[str] = (),
        target_class: str | None = None,
        target_column: str = "age",
    ) -> Predictor:
        """A predictor from a trained network in memory, with no folder on disk.

        The network is copied; the copy is frozen and in eval mode.

        Args:
            network: takes `(B, 1, I, J, K)` float32, I, J, K being `recipe.shape`. A regressor gives the prediction
                itself, `(B,)` or `(B, 1)`; a classifier gives scores `(B, C)`.
            recipe: how an image becomes the network's input.
            unit: of a regressor's prediction; a classifier's is the logit.
            column: the output that is the prediction, where a regressor gives several, counted from 0.
            classes: of a classifier, in the order of its scores.
            target_class: the class whose logit is predicted; by default the last one.
            target_column: the column of a participants' table that is predicted.

        Raises:
            UsageError: no such class, a column and classes together, or a network that cannot be copied.
        """
        return ModulePredictor(network, recipe, unit, column, tuple(classes), target_class, target_column)

    @abstractmethod
    def predict(self, volumes: Tensor) -> Tensor:
        """Predict `(B,)`, in `unit`, from `(B, 1, I, J, K)`."""

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """The torch module underneath, frozen and in eval mode."""

    @property
    def code(self) -> tuple[Any, ...]:
        """The classes and functions whose source files define the predictor: its own, and its module's parts."""
        return (type(self), *{type(part) for part in self.module.modules()})

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that determines its predictions.

        That is the module's tensors and layers, the options and the files that they name, the recipe, what is
        predicted and in which unit, and the source files of `code`. Versions of packages are no part of it; they are in
        the identity of a run.
        """
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name}:{values.dtype}:{tuple(values.shape)}".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
        digest.update(json.dumps(self._described(), sort_keys=True).encode())
        return digest.hexdigest()

    def _described(self) -> dict[str, Any]:
        """Everything besides the tensors that determines its predictions, JSON-ready."""
        recipe = getattr(self, "recipe", None)
        return {
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            "options": options_json(self),
            "option_files": hashes_of(files_in(self)),
            "layers": _ADDRESS.sub("", repr(self.module)),
            "recipe": None if recipe is None else recipe.to_json(),
            "unit": self.unit,
            "target": [self.target_column, list(self.classes), self.target_class],
            "source_sha256": source_sha256(self.code),
        }


class ModulePredictor(Predictor):
    """A network in memory as a predictor; `Predictor.from_module` makes one."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        unit: str,
        column: int | None,
        classes: tuple[str, ...],
        target_class: str | None,
        target_column: str,
    ) -> None:
        if classes and column is not None:
            raise UsageError("a classifier's network gives a score for each class: leave out the column.")
        if not classes and target_class is not None:
            raise UsageError(f"there is no class {target_class!r}: name the network's classes, in their order.")
        if classes and target_class not in (None, *classes):
            hint = did_you_mean(str(target_class), classes)
            raise UsageError(f"there is no class {target_class!r}.{hint} The classes are: {', '.join(classes)}.")
        self._module = _frozen_copy(network)
        self.recipe, self.unit, self.column = recipe, "logit" if classes else unit, column
        self.classes, self.target_column = classes, target_column
        self.target_class = (target_class or classes[-1]) if classes else None

    @property
    def module(self) -> nn.Module:
        return self._module

    def predict(self, volumes: Tensor) -> Tensor:
        who = type(self._module).__name__
        found = outputs_of(self._module(volumes), who)
        if self.target_class is not None:
            return log_odds(class_scores(found, self.classes, who), self.classes.index(self.target_class))
        return one_number(found, who) if self.column is None else found.column(self.column)

    def _described(self) -> dict[str, Any]:
        return {**super()._described(), "column": self.column}


def _frozen_copy(network: nn.Module) -> nn.Module:
    """A copy of its own in eval mode, whose weights need no gradient."""
    if not isinstance(network, nn.Module):
        raise UsageError(f"a network must be a torch.nn.Module, got {type(network).__name__}.")
    if isinstance(network, torch.jit.ScriptModule):
        raise UsageError(
            "a scripted or traced network cannot be read layer by layer: give the module that it was made from."
        )
    try:
        return copy.deepcopy(network).eval().requires_grad_(False)
    except Exception as error:  # a copy runs the network's own code
        name = type(network).__name__
        raise UsageError(f"network {name} cannot be copied by copy.deepcopy ({one_line(error)}).") from error


class Explainer(ABC):
    """A predictor and volumes in, importance maps out.

    The contract:

    - `explain` returns `(B, I, J, K)` float32, finite, on the device of `volumes`; **higher is more important**.
    - `signed` says whether a value below zero means something (evidence against).
    - A map does not depend on what else is in the batch.
    - Predictor, volumes and the global random state are the same after as before.
    - `learned` says whether it must be fitted to a predictor first. Then `fit` returns a fitted copy,
      `state` gives named tensors that are stored, and `with_state` a fitted copy made from them.
    """

    signed: ClassVar[bool] = False
    learned: ClassVar[bool] = False
    floor: ClassVar[bool] = False  # whether it knows nothing of the predictor, and is a bar for those that do
    template: ClassVar[str | None] = None  # of a floor that gives everybody one map: the option that takes its file
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # name -> option values, for `--preset`
    _record = MappingProxyType[str, Any]({})  # no annotation: it is no option of a dataclass

    @abstractmethod
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """Explain `predict(volumes)`: `(B, 1, I, J, K)` to `(B, I, J, K)`."""

    def explain_with_extras(self, predictor: Predictor, volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The maps of `explain`, and further named maps `(B, I, J, K)` to store, such as a signed effect.

        Their names are letters and digits. Override it where such maps cost nothing more.
        """
        return self.explain(predictor, volumes), {}

    def describe(self, predictor: Predictor, volumes: Tensor) -> Mapping[str, Any]:
        """The choices of the method for this predictor, JSON-ready, such as its layer.

        It is asked once a run, with the first volumes `(B, 1, I, J, K)` that are explained, and stands as `details` in
        the sidecar of every map; so it must not depend on whose volumes they are.
        """
        return {}

    def map_warnings(self) -> tuple[str, ...]:
        """Warnings about the maps that `explain` made last, for `warnings` in their sidecars."""
        return ()

    def map_figures(self) -> Mapping[str, float]:
        """Figures of the maps that `explain` made last, for their sidecars, such as the error of an option."""
        return {}

    def reference(self, volumes: Tensor) -> Tensor | None:
        """The volumes `x'` for which the maps add up to `f(x) - f(x')`, if the method declares this; else None."""
        return None

    def fit(
        self,
        predictor: Predictor,
        training: Sequence[Sample],
        validation: Sequence[Sample],
        workspace: Path | None = None,
    ) -> Self:
        """Fit the method to this predictor; a method that needs no fitting returns itself.

        Args:
            workspace: a folder for checkpoints, kept between an interrupted run and the next; None for none.
                An explainer that keeps no checkpoints may leave this argument out of its signature.
        """
        return self

    def state(self) -> dict[str, Tensor]:
        """The learned state, as named tensors."""
        return {}

    def with_state(self, state: Mapping[str, Tensor]) -> Self:
        """A fitted copy with this state."""
        return self

    @property
    def record(self) -> dict[str, Any]:
        """The measurements of the fit, JSON-ready: curves, diagnostics, `warnings` (a list of sentences).

        `training_seconds` is how long it took, over all interruptions; `benchmark` says from it when it pays.

        `search` chooses among fits that have a `selection`: `error` and `clean_error` of the predictor on the
        validation split, with what is unimportant hidden and without, in `unit`; `amount`, how much was hidden, on a
        scale that all options share; `amount_name`, what that is.
        """
        return dict(self._record)

    def with_record(self, record: Mapping[str, Any]) -> Self:
        """A copy with the measurements of its fit."""
        recorded = copy.copy(self)
        object.__setattr__(recorded, "_record", dict(record))
        return recorded
