"""Occlusion (Zeiler, Fergus 2014, arXiv 1311.2901, section 4.2) computed by Captum: one box after the other.

effect = mean over the boxes that cover a voxel of f(x) - f(x with x' inside the box); R = |effect|. Boxes start at 0,
stride, 2 stride, ...; the last one along an axis is cut off at the volume's end. Captum's own computation, to compare
the explainer `occlusion` with: same options, same map, where all boxes without brain have no effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from captum import attr
from torch import Tensor

from interpbench import Explainer, Predictor, UsageError, check_options, option, track
from interpbench_captum.baselines import BASELINES, baseline
from interpbench_captum.forward import each

Edges = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class CaptumOcclusion(Explainer):
    """The change of the prediction when a box is hidden, averaged over the boxes that cover a voxel."""

    box: tuple[int, int, int] | int = option(8, "edge lengths of the hidden box, in voxels of the network's grid")
    stride: tuple[int, int, int] | int = option(
        6, "distance between neighbouring boxes, in voxels; at most the edge of the box"
    )
    replacement: str = option("zero", "values that replace the hidden voxels", choices=BASELINES)
    sigma: float = option(4.0, "SD of the Gaussian for replacement=blur, in voxels", above=0)
    batch_size: int = option(8, "number of boxes in a pass through the network", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)
        for edge, step in zip(_edges(self.box), _edges(self.stride), strict=True):
            if edge < 1:
                raise UsageError(
                    f"box of CaptumOcclusion must be at least 1 voxel along each axis, got {_words(self.box)}."
                )
            if not 1 <= step <= edge:
                raise UsageError(
                    f"stride of CaptumOcclusion must be between 1 and box ({_words(self.box)}), "
                    f"got {_words(self.stride)}. A smaller box needs a smaller stride: set both."
                )

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """|effect|."""
        return self.explain_with_extras(predictor, volumes)[0]

    def explain_with_extras(self, predictor: Predictor, volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """|effect|, and `effect` in the predictor's unit: above zero if the hidden voxels had raised the prediction.

        Raises:
            UsageError: a box is larger than the volume.
        """
        box, stride = _edges(self.box), _edges(self.stride)
        passes = 1 + math.ceil(_boxes(_edges(tuple(volumes.shape[2:])), box, stride) / self.batch_size)

        def attribute(volume: Tensor) -> Tensor:
            with track(range(passes), "occlusion by Captum", unit="pass") as bar:
                bar.leave = False  # one bar after the other, for many subjects

                def predict(hidden: Tensor) -> Tensor:
                    predictions = predictor.predict(hidden)
                    bar.update()
                    return predictions

                map: Tensor = attr.Occlusion(predict).attribute(
                    volume,
                    sliding_window_shapes=(1, *box),
                    strides=(1, *stride),
                    baselines=baseline(volume, self.replacement, self.sigma),
                    perturbations_per_eval=self.batch_size,
                )
            return map

        effect = each(volumes, attribute)
        return effect.abs(), {"effect": effect}


def _boxes(shape: Edges, box: Edges, stride: Edges) -> int:
    """The number of boxes."""
    if any(edge > size for edge, size in zip(box, shape, strict=True)):
        raise UsageError(f"box must fit into the network's grid of {_words(shape)} voxels, got {_words(box)}.")
    return math.prod(math.ceil((size - edge) / step) + 1 for size, edge, step in zip(shape, box, stride, strict=True))


def _edges(edges: tuple[int, ...] | int) -> Edges:
    first, second, third = (edges,) * 3 if isinstance(edges, int) else edges
    return first, second, third


def _words(edges: Edges | int) -> str:
    return str(edges) if isinstance(edges, int) else "x".join(map(str, edges))
