"""What `explain_volume` gives: a map with its place in the world, a picture of it, and a file where one is wanted."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from interpbench.images.volume import Volume, write_map
from interpbench.pipeline.aggregating import paint_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interpbench.report.slices import Axis


@dataclass(frozen=True, eq=False)
class VolumeMap:
    """The importance map of one volume.

    Args:
        map: `(I, J, K)` float32 on the grid of the image; 0 outside the brain, unless it was asked for whole.
        image: the image on the same grid.
        brain: `(I, J, K)` bool on the same grid.
        prediction: of the predictor for this volume, in `unit`.
        unit: of the prediction, such as years.
        method: which explainer made the map.
        options: those of the method.
        signed: whether a value below 0 means something (evidence against).
        extras: further maps of the method by name, on the same grid.
        warnings: sentences that belong beside the map.
    """

    map: NDArray[np.float32]
    image: Volume
    brain: NDArray[np.bool_]
    prediction: float
    unit: str
    method: str
    options: Mapping[str, Any]
    signed: bool
    extras: Mapping[str, NDArray[np.float32]]
    warnings: tuple[str, ...] = ()

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel to world `(4, 4)`, mm, RAS+."""
        return self.image.affine

    def plot(self, *, axis: Axis = "z", threshold: float | None = None) -> Picture:
        """Six slices of the map in red over the image; a notebook shows the picture.

        Args:
            axis: cut along x (left to right), y (back to front) or z (bottom to top).
            threshold: values above it are painted; by default the top 10 % of the brain's voxels.
        """
        from interpbench.report.pictures import six_slices

        values, brain = torch.from_numpy(np.ascontiguousarray(self.map)), torch.from_numpy(self.brain)
        negative = float(values.clamp(max=0).sum().abs() / values.abs().sum().clamp(min=1e-30))
        return Picture(
            six_slices(
                self.map,
                np.where(self.brain, self.image.data[0].numpy(), self.image.data.min().item() - 1.0),
                self.affine,
                title=f"Importance by {self.method}; the prediction is {self.prediction:.1f} {self.unit}",
                unit="importance (method's own scale)",
                threshold=paint_above(values, brain) if threshold is None else threshold,
                axis=axis,
                doubt=f"{negative:.0%} of the map's mass is below 0 and is not painted" if negative >= 0.01 else None,
                grey_title="the image",
            )
        )

    def save(self, path: Path | str) -> None:
        """Write the map as NIfTI with the image's header, whole or not at all.

        Args:
            path: ends in `.nii` or `.nii.gz`.
        """
        write_map(path, self.map, like=self.image)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a notebook shows and that `save` writes as PNG."""

    figure: Figure

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.figure.savefig(content, dpi=150, format="png", facecolor=self.figure.get_facecolor())
        return content.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the picture as PNG, whole or not at all."""
        from interpbench.report.pictures import write_picture

        write_picture(self.figure, path)
