"""The contestants of a benchmark: methods, floors, and a smoothed copy of each method's maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.contract.interfaces import Explainer
from interpbench.errors import PluginError, UsageError, did_you_mean
from interpbench.host.components import make_component
from interpbench.host.registry import Kind, Registry, discover
from interpbench.options import options_json
from interpbench.run.identity import distribution_of

ALL = "all"
BLURRED = "+blur"


@dataclass(frozen=True, eq=False, kw_only=True)
class Contestant:
    """One row of the benchmark's table: a method, and what is done to its maps."""

    name: str
    method: str
    explainer: Explainer  # fitted, where it must learn
    distribution: str
    blur: float = 0.0  # SD of the Gaussian that smooths |map|, in voxels; 0 for the map as it is
    training_seconds: float = 0.0  # NaN where unknown
    state_sha256: str | None = None  # of what a learned method knows

    @property
    def kind(self) -> str:
        return "floor" if self.explainer.floor else "method"

    @property
    def signed(self) -> bool:
        return self.explainer.signed and not self.blur

    def finished(self, map: Tensor, brain: Tensor) -> Tensor:
        """The map as this contestant enters it, `(I, J, K)`."""
        return smoothed(map, brain, self.blur) if self.blur else map

    def blurred(self, blur: float) -> Contestant:
        return dataclasses.replace(self, name=self.name + BLURRED, blur=blur)

    def describe(self) -> dict[str, Any]:
        """What the results say of it, JSON-ready."""
        return {
            "name": self.name,
            "method": self.method,
            "kind": self.kind,
            "template": self.explainer.template is not None,
            "blurred": bool(self.blur),
            "signed": self.signed,
            "learned": self.explainer.learned,
            "options": options_json(self.explainer),
            "distribution": self.distribution,
            "training_seconds": self.training_seconds,
        }


def smoothed(map: Tensor, brain: Tensor, sd: float) -> Tensor:
    """`|map|` inside the brain, smoothed by a Gaussian there: what lies outside takes nothing and gives nothing.

    Args:
        map: `(I, J, K)`.
        brain: `(I, J, K)` bool.
        sd: in voxels.
    """
    inside = brain.cpu().numpy().astype(np.float64)
    values = map.abs().cpu().double().numpy() * inside
    weight = gaussian_filter(inside, sd, mode="constant")
    spread = gaussian_filter(values, sd, mode="constant")
    result = np.divide(spread, weight, out=np.zeros_like(spread), where=inside > 0)
    return torch.from_numpy(result.astype(np.float32)).to(map.device)


def named_methods(words: Sequence[str], *, floors: bool) -> list[str]:
    """The methods asked for, and the floors; `all` stands for every method that is installed.

    Raises:
        UsageError: no such method, or none at all.
        PluginError: one asked for by name cannot be loaded.
    """
    registry = discover()
    known = list(dict.fromkeys(one.name for one in registry.components("explainer")))
    given = list(dict.fromkeys(word for word in words if word != ALL))
    if not words:
        raise UsageError("methods must name at least one method, or be all.")
    loaded = {name: registry.load("explainer", name) for name in given}
    bars = [name for name, found in loaded.items() if found.floor]
    methods = [name for name in given if name not in bars]
    if ALL in words or floors:
        for name, found in _working(registry, [name for name in known if name not in loaded], "explainer"):
            if found.floor and floors:
                bars.append(name)
            elif not found.floor and ALL in words:
                methods.append(name)
    if not methods and not bars:
        raise UsageError("No method can be benchmarked.")
    return [*methods, *bars]


def named_metrics(words: Sequence[str]) -> list[str]:
    """The metrics asked for, by their own name or that of a measure; `all` stands for every one that is installed.

    Raises:
        UsageError: no such metric or measure, or none at all.
    """
    registry = discover()
    known = list(dict.fromkeys(one.name for one in registry.components("metric")))
    if not words:
        raise UsageError("measures must name at least one metric, or be all.")
    owners: dict[str, str] = {}
    if any(word != ALL and word not in known for word in words):
        for name, found in _working(registry, known, "metric"):
            owners |= {measure.name: name for measure in found().measures}
    wanted: list[str] = []
    for word in words:
        if word != ALL and word not in known and word not in owners:
            hint = did_you_mean(word, [*known, *owners])
            raise UsageError(f"Unknown metric or measure {word!r}.{hint} Metrics: {', '.join(known)}.")
        wanted += known if word == ALL else [owners.get(word, word)]
    return list(dict.fromkeys(wanted))


def _working(registry: Registry, names: Iterable[str], kind: Kind) -> Iterable[tuple[str, type[Any]]]:
    """The classes of some components; one that cannot be loaded is told and left out."""
    for name in names:
        try:
            yield name, registry.load(kind, name)
        except PluginError as error:
            log.warning("excluded: %s", error)


def enter(name: str, options: Mapping[str, Any], seed: int) -> Contestant:
    """A method with its options; what it must learn is still to be learned."""
    explainer, installed = make_component("explainer", name, options, seed=seed)
    return Contestant(name=name, method=name, explainer=explainer, distribution=distribution_of(installed))


def options_by_name(words: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Turn `{"occlusion.box": "8"}` into `{"occlusion": {"box": "8"}}`, which may be given so as well.

    Raises:
        UsageError: no point in a name, or nobody of that name takes part.
    """
    known, found = list(names), dict[str, dict[str, Any]]()
    flat = dict[str, Any]()
    for word, value in words.items():
        flat |= {f"{word}.{key}": one for key, one in value.items()} if isinstance(value, Mapping) else {word: value}
    for word, value in flat.items():
        name, _, option = word.partition(".")
        if not name or not option:
            raise UsageError(
                f"An option of a benchmark must be METHOD.OPTION=value or METRIC.OPTION=value, got {word!r}."
            )
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"{word!r}: {name!r} is not in this benchmark.{hint} Available: {', '.join(known)}.")
        found.setdefault(name, {})[option] = value
    return found
