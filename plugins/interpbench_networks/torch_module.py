"""A user's own network: any importable factory, and the way from its output to one number a subject.

Three read-outs of a regressor are known (a classifier's is `NetworkPredictor`'s own):

- one output: it is the number;
- several outputs: one column of them;
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
from interpbench.errors import InputError, PluginError, UsageError


@dataclass(frozen=True, kw_only=True)
class TorchModule(NetworkPredictor):
    """A network made by `module:factory(**arguments)`."""

    factory: str = option(
        "", "what makes the network, as module:function or module:Class; it is imported and called", runs=True
    )
    arguments: str = option("{}", "the factory's keyword arguments, as a JSON object")
    column: int = option(0, "which output is the number, where the network has several and no bins", minimum=0)
    bins_start: float | None = option(None, "lower edge of the first of the soft bins, in the unit; unset for no bins")
    bins_stop: float | None = option(None, "upper edge of the last of the soft bins, in the unit")
    bins_hold: str = option(
        "scores",
        "what the bins hold: scores (logits or log-probabilities) or probabilities",
        choices=("scores", "probabilities"),
    )

    def __post_init__(self) -> None:
        check_options(self)
        self._keywords()
        if (self.bins_start is None) != (self.bins_stop is None):
            raise UsageError("bins_start and bins_stop of TorchModule go together: give both or neither.")
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

    def read_out(self, output: Tensor | list[Tensor] | tuple[Tensor, ...]) -> Tensor:
        if isinstance(output, list | tuple):  # SFCN returns its one output in a list
            output = output[0]
        if not isinstance(output, Tensor):
            raise PluginError(f"{self.factory} must return a tensor, got {type(output).__name__}.")
        outputs = output.flatten(1) if output.ndim > 1 else output[:, None]  # (B, n)
        if self.bins_start is not None and self.bins_stop is not None:
            return self._expectation(outputs, self.bins_start, self.bins_stop)
        if self.column >= outputs.shape[1]:
            number = outputs.shape[1]
            raise InputError(f"column of {self.factory} must be below {number}, its outputs, got {self.column}.")
        return outputs[:, self.column]

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
            raise InputError(f"{self.factory} has one output, so no soft bins: leave bins_start and bins_stop unset.")
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
        raise UsageError(f"factory is module:function or module:Class, such as my_networks.sfcn:SFCN, got {name!r}.")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"factory {name!r}: {error}. Is it installed, or on PYTHONPATH?") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"factory {name!r}: module {module_name} has no {attribute!r}.")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"factory {name!r} is {type(found).__name__}, nothing that can be called.")
    make: Callable[..., Any] = found
    return make
