"""Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2): the prediction's change by hidden parts.

The effect of a box b is f(x) - f(x with b filled otherwise), in the predictor's unit. A voxel's effect is the mean
over the boxes that cover it, as Captum defines it, or is interpolated between the boxes' centres. With an atlas, whole
regions are hidden, and each voxel of a region has the region's effect. Importance = |effect|.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from interpbench import Explainer, Predictor, UsageError, brain_of, check_options, option
from interpbench.kit import PRECISIONS, read_atlas
from interpbench_occlusion.boxes import BoxGrid, Edges
from interpbench_occlusion.evaluation import Evaluation
from interpbench_occlusion.replacement import REPLACEMENTS, Fill, Place, replacement_values

ERROR = "bfloat16_error"  # in a map's sidecar


@dataclass(frozen=True, kw_only=True)
class Occlusion(Explainer):
    """Hide one box, or one region of an atlas, after the other."""

    box: tuple[int, int, int] | int = option(8, "edge lengths of the hidden box, in voxels of the network's grid")
    stride: tuple[int, int, int] | int = option(
        6, "distance between neighbouring boxes, in voxels; at most the edge of the box"
    )
    replacement: str = option("zero", "values that replace the hidden voxels", choices=REPLACEMENTS)
    sigma: float = option(4.0, "SD of the Gaussian for replacement=blur, in voxels", above=0)
    combine: str = option(
        "average", "how the effects of overlapping boxes are combined for a voxel", choices=("average", "interpolate")
    )
    regions: str | None = option(None, "atlas (NIfTI file of integer labels) whose regions are hidden instead of boxes")
    batch_size: int = option(8, "number of volumes in a pass through the network", minimum=1)
    memory: float = option(4.0, "approximate memory limit for stored activations, in GiB", above=0)
    precision: str = option(
        "float32", "number format of the convolutions; the error that bfloat16 causes is reported", choices=PRECISIONS
    )
    seed: int = option(0, "seed of replacement=noise")

    def __post_init__(self) -> None:
        check_options(self)
        for edge, step in zip(_edges(self.box), _edges(self.stride), strict=True):
            if edge < 1:
                raise UsageError(f"box of Occlusion must be at least 1 voxel along each axis, got {_words(self.box)}.")
            if not 1 <= step <= edge:
                raise UsageError(
                    f"stride of Occlusion must be between 1 and box ({_words(self.box)}), got {_words(self.stride)}."
                    " A smaller box needs a smaller stride: set both."
                )
        # Copies, such as those with a subject's own seed, share how the predictor is evaluated.
        object.__setattr__(self, "_shared", SimpleNamespace(evaluation=None))
        object.__setattr__(self, "_told", ())
        object.__setattr__(self, "_measured", {})

    @property
    def _evaluation(self) -> Evaluation | None:
        """Of the predictor and the shape of volumes that were explained last."""
        found: Evaluation | None = self.__dict__["_shared"].evaluation
        return found

    def map_warnings(self) -> tuple[str, ...]:
        """Where the last volumes were given up to plain passes, or bfloat16 costs too much."""
        found: tuple[str, ...] = self.__dict__["_told"]
        return found

    def map_figures(self) -> dict[str, float]:
        """Of `precision=bfloat16` the largest difference from effects of float32, as a share of their range."""
        return dict(self.__dict__["_measured"])

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """|effect|."""
        return self.explain_with_extras(predictor, volumes)[0]

    def explain_with_extras(self, predictor: Predictor, volumes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """|effect|, and `effect` with its sign: above zero if the hidden voxels had raised the prediction."""
        places, combined = self._places(predictor, volumes)
        object.__setattr__(self, "_told", ())
        object.__setattr__(self, "_measured", {})
        maps = []
        for volume, brain in zip(volumes, brain_of(volumes), strict=True):
            fill = replacement_values(self.replacement, volume[0], brain, sigma=self.sigma, seed=self.seed)
            # what holds no brain has no effect, and is not asked about
            asked = [index for index, place in enumerate(places) if bool(brain[place].any())]
            effects = torch.zeros(len(places), dtype=torch.float64)
            effects[asked] = self._effects(predictor, volume, [places[index] for index in asked], fill)
            maps.append(combined(effects))
        effect = torch.stack(maps).to(volumes)
        return effect.abs(), {"effect": effect}

    def _effects(self, predictor: Predictor, volume: Tensor, places: Sequence[Place], fill: Fill) -> Tensor:
        """f(x) - f(x with a place filled otherwise), `(N,)`."""
        if not places:
            return torch.zeros(0, dtype=torch.float64)
        found = self._evaluation
        if found is None or not found.fits(predictor, volume):
            found = Evaluation.of(
                predictor,
                volume,
                places,
                fill,
                batch_size=self.batch_size,
                memory=self.memory * 2**30,
                precision=self.precision,
            )
            self.__dict__["_shared"].evaluation = found
        effects = found.effects(volume, places, fill)
        object.__setattr__(self, "_told", (*self.map_warnings(), *found.notes))
        if found.share is not None:
            share = max(found.share, self.map_figures().get(ERROR, 0.0))
            object.__setattr__(self, "_measured", {ERROR: share})
        return effects

    def _places(self, predictor: Predictor, volumes: Tensor) -> tuple[Sequence[Place], Callable[[Tensor], Tensor]]:
        """What is hidden, and how the effects `(N,)` become a map `(I, J, K)`."""
        if self.regions is None:
            grid = BoxGrid(_edges(volumes.shape[2:]), _edges(self.box), _edges(self.stride))
            return grid.boxes, grid.average if self.combine == "average" else grid.interpolate
        labels = read_atlas(self.regions, predictor.recipe).to(volumes.device)
        regions = [labels == label for label in labels.unique() if label > 0]
        return regions, lambda effects: _painted(effects, regions)


def _painted(effects: Tensor, regions: Sequence[Tensor]) -> Tensor:
    """Each region in its effect, 0 between them."""
    map = torch.zeros_like(regions[0], dtype=effects.dtype)
    for effect, region in zip(effects, regions, strict=True):
        map[region] = float(effect)
    return map


def _edges(edges: Sequence[int] | int) -> Edges:
    first, second, third = (edges,) * 3 if isinstance(edges, int) else edges
    return first, second, third


def _words(edges: tuple[int, int, int] | int) -> str:
    return "x".join(map(str, edges)) if isinstance(edges, tuple) else str(edges)
