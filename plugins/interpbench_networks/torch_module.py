"""A user's own network: an importable factory, and the read-out of its output.

Three read-outs of a regressor are known (a classifier's is `NetworkPredictor`'s own):

- one output: it is the number, also where it is alone in a list, or has axes of length 1;
- several outputs, as columns of a tensor or as tensors in a list, a tuple or a dict: the one that `column` names,
  counted from 0 over all of them in their order. Which one counts is asked for, never guessed;
- soft bins, as SFCN has (Peng et al. 2021): the expectation `sum_b p_b c_b` over the bins' centres `c_b`.
  The softmax is taken here. It gives the same `p` from logits and from log-probabilities, because the two
  differ by a constant; taken twice, it would flatten `p`, so a network that ends in a softmax says so.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interpbench import NetworkPredictor, check_options, option
from interpbench.errors import InputError, UsageError


@dataclass(frozen=True, kw_only=True)
class TorchModule(NetworkPredictor):
    """A network made by `module:factory(**arguments)`."""

    factory: str = option(
        "",
        "function or class that builds the network, as module:function or module:Class; it is imported and called",
        runs=True,
    )
    arguments: str = option("{}", "keyword arguments of the factory, as a JSON object")
    column: int | None = option(
        None,
        "index of the output that is the prediction, counted from 0 over all outputs",
        minimum=0,
    )
    bins_start: float | None = option(
        None, "lower edge of the first soft bin, in the unit of the prediction; none for no bins"
    )
    bins_stop: float | None = option(None, "upper edge of the last soft bin, in the unit of the prediction")
    bins_hold: str = option(
        "scores",
        "kind of values in the soft bins; scores are logits or log-probabilities",
        choices=("scores", "probabilities"),
    )

    def __post_init__(self) -> None:
        check_options(self)
        self._keywords()
        if (self.bins_start is None) != (self.bins_stop is None):
            raise UsageError("bins_start and bins_stop of TorchModule must be given together, or not at all.")
        if self.bins_start is not None and self.bins_stop is not None and self.bins_start >= self.bins_stop:
            raise UsageError(f"bins_stop must be above bins_start ({self.bins_start:g}), got {self.bins_stop:g}.")

    @property
    def standardise(self) -> bool:
        """Whether training may put the target to zero mean and unit variance: bins are in the unit already."""
        return self.bins_start is None

    @property
    def code(self) -> tuple[Any, ...]:
        return (*super().code, *([import_factory(self.factory)] if self.factory else []))

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        made = import_factory(self.factory)(**self._keywords())
        if not isinstance(made, nn.Module):
            raise UsageError(f"{self.factory} must return a torch.nn.Module, got {type(made).__name__}.")
        return made

    @property
    def label(self) -> str:
        return self.factory or super().label

    def read_out(self, output: Any) -> Tensor:
        found = self.named_outputs(output)
        if self.bins_start is not None and self.bins_stop is not None:
            bins = self.tensor_among(found, "holds the soft bins")
            return self._expectation(bins, self.bins_start, self.bins_stop)
        column = 0 if self.column is None and found.number == 1 else self.column
        if column is None:
            raise InputError(
                f"{self.label} returns {found.count} for a volume, but a prediction is one number: choose it with"
                f" -o column=N ({found})."
            )
        if column >= found.number:
            raise InputError(f"column of {self.label} must be below {found.number}, its outputs, got {column}.")
        return found.column(column)

    def read_classes(self, output: Any) -> Tensor:
        found = self.named_outputs(output)
        if self.column is not None and len(found) > 1:
            return super().read_classes(self.tensor_among(found, "holds the scores of the classes"))
        return super().read_classes(output)

    def tensor_among(self, found: Any, what: str) -> Tensor:
        """The columns `(B, n)` of the only output, or of the one that `column` begins at.

        Raises:
            InputError: there are several, and `column` begins at none of them.
        """
        chosen = [one for one in found.tensors if len(found) == 1 or one.start == self.column]
        if not chosen:
            raise InputError(
                f"{self.label} returns {found.count} for a volume, and only one {what}: give its first column with"
                f" -o column=N ({found})."
            )
        values: Tensor = chosen[0].numbers
        return values

    def _keywords(self) -> dict[str, Any]:
        try:
            keywords = json.loads(self.arguments)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"arguments of TorchModule must be JSON, got {self.arguments!r} ({error}).") from error
        if not isinstance(keywords, dict):
            raise UsageError(f'arguments of TorchModule must be an object such as {{"depth": 3}}, got {keywords!r}.')
        return keywords

    def _expectation(self, outputs: Tensor, start: float, stop: float) -> Tensor:
        number = outputs.shape[1]
        if number < 2:
            raise InputError(f"{self.label} has one output and therefore no soft bins: omit bins_start and bins_stop.")
        probabilities = outputs if self.bins_hold == "probabilities" else outputs.softmax(dim=1)
        width = (stop - start) / number
        centres = start + width * (torch.arange(number, device=outputs.device, dtype=outputs.dtype) + 0.5)
        return probabilities @ centres


def import_factory(name: str) -> Callable[..., Any]:
    """Import `module:attribute`.

    Raises:
        UsageError: not of that form, or nothing to call there.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise UsageError(
            f"factory must be module:function or module:Class, such as my_networks.sfcn:SFCN, got {name!r}."
        )
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"factory {name!r}: {error}. Check that it is installed or on PYTHONPATH.") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"factory {name!r}: module {module_name} has no {attribute!r}.")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"factory {name!r} is {type(found).__name__}, which cannot be called.")
    make: Callable[..., Any] = found
    return make
