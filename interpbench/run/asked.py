"""What a user asked for, as values: which method, which subjects, how to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from interpbench.contract.interfaces import Explainer
from interpbench.errors import UsageError
from interpbench.host.components import make_component
from interpbench.host.registry import Installed
from interpbench.parallel.overlap import AHEAD
from interpbench.parallel.shards import shard_of
from interpbench.run.device import resolve_device


@dataclass(frozen=True, kw_only=True)
class AskedMethod:
    """The method that the user asked for, with its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None  # options by name
    seed: int = 0

    def made(self) -> tuple[Explainer, Installed]:
        """The method with its options, and where it is installed.

        Raises:
            UsageError: no such method, preset or option.
            PluginError: it cannot be loaded.
        """
        return make_component("explainer", self.name, self.options, preset=self.preset, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class AskedSubjects:
    """The subjects of a cohort that the user asked for."""

    split: str | None = "test"  # None for everybody
    labels: Sequence[str] | None = None  # with or without `sub-`; then `split` does not matter
    shard: tuple[int, int] = (0, 1)  # the K-th of N parts

    @classmethod
    def of(cls, split: str | None, labels: Sequence[str] | None, shard: str | None = None) -> AskedSubjects:
        """The subjects, from the arguments of a step of the Python API.

        Raises:
            UsageError: no such shard.
        """
        return cls(split=split, labels=labels, shard=shard_of(shard))

    @property
    def some(self) -> bool:
        """Whether a run is about them alone: others may be explained into the same folder at the same time."""
        return bool(self.labels) or self.shard[1] > 1


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where to compute, and how much at once."""

    device: torch.device
    batch_size: int = 1  # volumes
    ahead: int = AHEAD  # batches that are read before, or written after, the one at hand

    @classmethod
    def on(cls, device: str, batch_size: int = 1, ahead: int = AHEAD) -> Compute:
        """The device and batch sizes, from the arguments of a step of the Python API.

        Raises:
            UsageError: no such device, or numbers below 1 and 0.
        """
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
        if ahead < 0:
            raise UsageError(f"ahead must be at least 0, got {ahead}.")
        return cls(device=resolve_device(device), batch_size=batch_size, ahead=ahead)
