"""The paper's Fig. 2: six slices of a map in red over the average image, with all that is needed to read it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike, NDArray

from interpbench.errors import UsageError
from interpbench.files.atomic import atomic_path
from interpbench.report.slices import (
    Axis,
    Upright,
    bounding_box,
    grey_range,
    inside_of,
    letters,
    letters_in_words,
    spread_slices,
)

# From dark to bright; the image stays below white, so that bright red stands out.
REDS = LinearSegmentedColormap.from_list("importance", ["#5a0000", "#c40a0a", "#ff4a2a", "#ffc08a"])
GREYS = LinearSegmentedColormap.from_list("image", ["#000000", "#d8d8d8"])
SLICES = 6
TILE, BAR, HEAD, LABEL, FOOT = 1.75, 0.95, 0.56, 0.24, 0.3  # inches: slice, colour bar, words above and below, end
LETTERS, LINE = 15, 0.15  # of the small type: how many to an inch, and how high a line is, in inches
PAPER, INK, DIM, DOUBT = "black", "white", "0.75", "#ffb347"


def six_slices(
    map: ArrayLike,
    background: ArrayLike,
    affine: ArrayLike,
    *,
    title: str,
    unit: str,
    n: int | None = None,
    threshold: float = 0.0,
    vmin: float = 0.0,
    vmax: float | None = None,
    truth: ArrayLike | None = None,
    truth_title: str = "Ground truth",
    truth_unit: str = "",
    truth_threshold: float | None = None,
    axis: Axis = "z",
    positions: Sequence[int] | None = None,
    doubt: str | None = None,
    grey_title: str = "average of the normalised images",
) -> Canvas:
    """Draw six slices of a map, in red over a grey background; `write_picture` puts the picture in a file.

    All six share one colour scale, which the picture states. Nothing is interpolated.

    Args:
        map: `(I, J, K)`, in `unit`.
        background: `(I, J, K)`, such as the average of the normalised images; the value that fills its corners is
            taken for no brain.
        affine: voxel to world, mm RAS+.
        title: what the map shows.
        unit: what its values are, for the colour bar.
        n: number of subjects.
        threshold: only values above it are painted.
        vmin, vmax: the ends of the colour scale; without `vmax` it ends at the map's largest value, and says so.
        truth: `(I, J, K)`, drawn below at the same slices with a scale of its own, painted above `truth_threshold`
            (without one: above 5 % of its largest value).
        axis: cut along x (left to right), y (back to front) or z (bottom to top).
        positions: the slices, counted in voxels from the left, back or bottom; by default spread over the brain.
        doubt: a sentence that whoever sees the map must know, such as what is wrong with the predictor.

        grey_title: what the background is, for the footnote.

    Raises:
        UsageError: shapes differ, or a map is not finite.
    """
    grey = Upright.of(background, affine)
    rows = [_Row(Upright.of(map, affine), _titled(title, n), unit, threshold, vmin, vmax)]
    if truth is not None:
        upright = Upright.of(truth, affine)
        least = 0.05 * float(upright.data.max()) if truth_threshold is None else truth_threshold
        rows.append(_Row(upright, truth_title, truth_unit, least, 0.0, None))
    for row in rows:
        _check(row, grey)
    inside = inside_of(grey.data)
    chosen = list(positions) if positions is not None else spread_slices(inside, axis, SLICES)

    # Only the box around brain and paint is drawn, so that the slices fill their places.
    box = bounding_box(np.any([inside, *[row.painted for row in rows]], axis=0))
    grey, rows = grey.cropped(box), [replace(row, volume=row.volume.cropped(box)) for row in rows]
    chosen = [index - box["xyz".index(axis)].start for index in chosen]

    _, width, _, height = grey.extent(axis)
    tile, gap = (TILE, TILE * height / width), 0.14
    step = tile[0] + gap
    size = (step * len(chosen) + BAR, (tile[1] + HEAD + LABEL) * len(rows) + FOOT)
    doubted = textwrap.wrap(f"Warning: {doubt}", int(size[0] * LETTERS)) if doubt else []
    size = (size[0], size[1] + LINE * len(doubted))
    canvas = Canvas(figsize=size, facecolor=PAPER)
    FigureCanvasAgg(canvas)
    for index, row in enumerate(rows):
        top = size[1] - index * (tile[1] + HEAD + LABEL)
        canvas.text(
            0.12 / size[0], (top - 0.09) / size[1], row.title, color=INK, fontsize=11, va="top", parse_math=False
        )
        canvas.text(0.12 / size[0], (top - 0.31) / size[1], _scale_in_words(row), color=DIM, fontsize=8, va="top")
        bottom = top - HEAD - tile[1]
        for column, slice_index in enumerate(chosen):
            axes = canvas.add_axes(_parts((0.12 + column * step, bottom, *tile), size))
            _draw_slice(axes, row, grey, inside[box], axis, slice_index)
        bar = (0.12 + step * len(chosen), bottom + 0.03 * tile[1], 0.16, 0.94 * tile[1])
        _draw_bar(canvas, canvas.add_axes(_parts(bar, size)), row)
    foot = 0.09 + LINE * len(doubted)
    footnote = f"grey: {grey_title};  {letters_in_words(axis)}"
    canvas.text(0.12 / size[0], foot / size[1], footnote, color=DIM, fontsize=8, parse_math=False)
    for index, line in enumerate(reversed(doubted)):
        place = (0.06 + LINE * index) / size[1]
        canvas.text(0.12 / size[0], place, line, color=DOUBT, fontsize=8, parse_math=False)
    return canvas


def write_picture(canvas: Canvas, path: Path | str) -> None:
    """Write a picture as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        canvas.savefig(temporary, dpi=150, format="png", facecolor=PAPER)


@dataclass(frozen=True, eq=False)
class _Row:
    volume: Upright
    title: str
    unit: str
    threshold: float
    vmin: float
    vmax: float | None

    @property
    def top(self) -> float:
        """The value at the end of the colour scale; never at its start, also for a flat map."""
        if self.vmax is not None:
            return self.vmax
        largest = float(self.volume.data.max())
        return largest if largest > self.vmin else self.vmin + 1.0

    @property
    def painted(self) -> NDArray[np.bool_]:
        return np.asarray(self.volume.data > self.threshold)


def _titled(title: str, n: int | None) -> str:
    return title if n is None else f"{title}, n = {n} {'subject' if n == 1 else 'subjects'}"


def _check(row: _Row, grey: Upright) -> None:
    if row.volume.data.shape != grey.data.shape:
        raise UsageError(f"{row.title}: shape {row.volume.data.shape} is not the background's, {grey.data.shape}.")
    if not np.isfinite(row.volume.data).all():
        raise UsageError(f"{row.title}: {np.count_nonzero(~np.isfinite(row.volume.data))} voxels are NaN or infinite.")
    if row.vmax is not None and row.vmax <= row.vmin:
        raise UsageError(f"{row.title}: vmax must be above vmin ({row.vmin:g}), got {row.vmax:g}.")


def _scale_in_words(row: _Row) -> str:
    largest = float(row.volume.data.max())
    if not row.painted.any():
        return f"nothing is shown: no value is above {row.threshold:g} (the largest is {largest:.3g})"
    end = "the largest value" if row.vmax is None else f"the largest value is {largest:.3g}"
    return f"shown above {row.threshold:.3g};  colours from {row.vmin:.3g} to {row.top:.3g} ({end})"


def _draw_slice(axes: Axes, row: _Row, grey: Upright, inside: NDArray[np.bool_], axis: Axis, index: int) -> None:
    along = "xyz".index(axis)
    low, high = grey_range(grey.data, inside)
    shown = replace(grey, data=np.where(inside, grey.data, low)).cut(axis, index)
    painted = replace(row.volume, data=np.where(row.painted, row.volume.data, np.nan)).cut(axis, index)
    for image, colours, start, end in ((shown, GREYS, low, high), (painted, REDS, row.vmin, row.top)):
        axes.imshow(
            image, colours, vmin=start, vmax=end, origin="lower", extent=grey.extent(axis), interpolation="nearest"
        )
    axes.set_axis_off()
    label = f"{axis} = {grey.position(along, index):+.0f} mm"
    axes.text(0.5, -0.03, label, transform=axes.transAxes, color=INK, fontsize=8, ha="center", va="top")
    for letter, place, side in zip(letters(axis), (0.0, 1.0), ("left", "right"), strict=True):
        axes.text(place, 0.96, letter, transform=axes.transAxes, color=INK, fontsize=9, ha=side, va="top")


def _draw_bar(canvas: Canvas, axes: Axes, row: _Row) -> None:
    colours = ScalarMappable(Normalize(row.vmin, row.top), REDS)
    beyond = "max" if float(row.volume.data.max()) > row.top else "neither"
    bar = canvas.colorbar(colours, cax=axes, extend=beyond)
    bar.outline.set_visible(False)
    bar.set_label(row.unit, color=INK, fontsize=9, parse_math=False)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)


def _parts(place: tuple[float, float, float, float], size: tuple[float, float]) -> tuple[float, float, float, float]:
    """From inches to parts of the picture."""
    left, bottom, width, height = place
    return left / size[0], bottom / size[1], width / size[0], height / size[1]
