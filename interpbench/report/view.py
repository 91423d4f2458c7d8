"""The interactive view: nilearn's slice viewer as a piece of HTML that needs no network."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nilearn.plotting import view_img
from numpy.typing import ArrayLike

from interpbench.errors import UsageError
from interpbench.report.pictures import REDS
from interpbench.report.slices import Upright, grey_range, inside_of

WIDTH = 900  # pixels


@dataclass(frozen=True, eq=False)
class View:
    """A map `(I, J, K)` over a background `(I, J, K)`, both on the grid of `affine` (voxel to world, mm RAS+).

    Only values above `threshold` are painted; colours go from 0 to `vmax`, by default the map's largest value.
    """

    map: ArrayLike
    background: ArrayLike
    affine: ArrayLike
    title: str
    unit: str
    threshold: float = 0.0
    vmax: float | None = None


def view_html(view: View) -> tuple[str, int, int]:
    """The viewer as a whole HTML document, for an `<iframe srcdoc="...">`, and its width and height in pixels.

    Raises:
        UsageError: shapes differ, or the map is not finite.
    """
    importance, grey = Upright.of(view.map, view.affine), Upright.of(view.background, view.affine)
    if importance.data.shape != grey.data.shape:
        raise UsageError(f"{view.title}: shape {importance.data.shape} is not the background's, {grey.data.shape}.")
    if not np.isfinite(importance.data).all():
        raise UsageError(f"{view.title}: the map has NaN or infinite voxels.")
    painted = np.where(importance.data > view.threshold, importance.data, 0.0)
    largest = float(painted.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a threshold that hides nothing, or all
        viewer = view_img(
            nib.Nifti1Image(painted.astype(np.float32), importance.affine),
            bg_img=nib.Nifti1Image(_shown(grey), grey.affine),
            # Nothing but zeros is left to hide; a threshold of 0 would paint the zeros too.
            threshold=1e-6 * largest if largest > 0 else 1.0,
            cmap=REDS,
            symmetric_cmap=False,
            vmin=0.0,
            vmax=view.vmax or (largest if largest > 0 else 1.0),
            black_bg=True,
            resampling_interpolation="nearest",
            width_view=WIDTH,
        )
    # The viewer's icon would be fetched from the network. Its elements get a fixed name instead of a random one, so
    # that the same map gives the same bytes.
    document = re.sub(r'<link\b[^>]*rel="icon"[^>]*>', "", viewer.html)
    return re.sub(r"(?<=-)[0-9a-f]{32}\b", "map", document), int(viewer.width), int(viewer.height)


def _shown(grey: Upright) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Inside the brain above 0, outside exactly 0, which the viewer draws black."""
    inside = inside_of(grey.data)
    low, high = grey_range(grey.data, inside)
    scaled = (np.clip(grey.data, low, high) - low) / (high - low)
    return np.where(inside, 0.02 + 0.98 * scaled, 0.0).astype(np.float32)
