"""The maps of all methods on the same slices and one colour scale.

Methods have different units, so what is painted is not the map's value but its percentile rank: how much of the
brain the map calls less important than this voxel, in percent. The scale then is the same for every map. It would
also make a map look rich that hardly differs from one voxel to the next; so the range of the values stands beside
each map, and a map that is flat, or nearly, is called so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike, NDArray

from interpbench.errors import UsageError
from interpbench.files.atomic import atomic_path
from interpbench.report.benchmark.map_layout import ASIDE, BAR, EDGE, GAP, NAME, NEXT, TILE, Layout, Words
from interpbench.report.benchmark.map_ranks import percentile_ranks, spread_in_words
from interpbench.report.drawing import canvas_of, fitting, png_of
from interpbench.report.pictures import DIM, GREYS, INK, PAPER
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

SLICES = 4
ONE_BLOCK = 9  # rows; more stand side by side, two a line
DPI = 110
HEAT = LinearSegmentedColormap.from_list("ranks", ["#16060f", "#5a0000", "#c40a0a", "#ff4a2a", "#ffc08a", "#fff6e0"])
OUTLINE = "#1f8fff"  # of the truth; told apart from the reds by the colour-blind too
ALERT = "#ffd21f"
TOLD = "Colour: percentile rank of |map| inside the brain, the same scale for every map."


def method_maps(
    maps: Mapping[str, ArrayLike | None],
    background: ArrayLike,
    affine: ArrayLike,
    path: Path | str,
    *,
    title: str,
    brain: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    notes: Mapping[str, str] | None = None,
    axis: Axis = "z",
    positions: Sequence[int] | None = None,
) -> None:
    """Draw one row of slices a method, below the image itself and the truth, and write them as PNG.

    Args:
        maps: `(I, J, K)` by method, in the order of the rows, each in its own unit; None where there is no map. Many
            stand two a line, so that a blurred copy given after its original stands beside it.
        background: `(I, J, K)`, the image; its commonest value is taken for no brain.
        affine: voxel to world, mm RAS+.
        path: of the PNG, which appears whole or not at all.
        title: whose maps these are.
        brain: `(I, J, K)` bool, where ranks are counted; by default where the background is not empty.
        truth: `(I, J, K)`, true or above 0 where the importance must be; outlined on every map.
        notes: a line by method, such as why there is no map.
        axis: cut along x (left to right), y (back to front) or z (bottom to top).
        positions: the slices, counted in voxels from the left, back or bottom; by default four, spread over the brain.

    Raises:
        UsageError: there is no map, shapes differ, or a map is not finite.
    """
    if not maps:
        raise UsageError(f"{title}: there is no map to draw.")
    grey = Upright.of(background, affine)
    inside = inside_of(grey.data) if brain is None else Upright.of(_same(brain, background, "brain"), affine).data > 0
    if not inside.any():
        raise UsageError(f"{title}: the brain is empty.")
    rows: list[_MapRow | None] = [_MapRow("image", "", None)]
    where = None
    if truth is not None:
        where = Upright.of(np.asarray(_same(truth, background, "truth")) > 0, affine).data > 0
        share = 100 * float((where & inside).sum()) / float(inside.sum())
        rows.append(_MapRow("truth", f"{share:.1f} % of the brain", where))
    elif len(maps) + 1 > ONE_BLOCK:
        rows.append(None)  # the first line is for the image alone
    for name, map in maps.items():
        note = (notes or {}).get(name, "")
        if map is None:
            rows.append(_MapRow(name, note or "no map", None, missing=True))
            continue
        volume = Upright.of(_same(map, background, name), affine).data
        if not np.isfinite(volume).all():
            raise UsageError(f"{name}: {np.count_nonzero(~np.isfinite(volume))} voxels are NaN or infinite.")
        rows.append(_MapRow(name, note, percentile_ranks(volume, inside), spread_in_words(volume, inside)))
    _draw(_scene_of(grey, inside, where, axis, positions), rows, title, Path(path))


@dataclass(frozen=True, eq=False)
class _MapRow:
    name: str
    note: str
    ranks: NDArray[np.float64] | NDArray[np.bool_] | None
    spread: str = ""
    missing: bool = False

    @property
    def flat(self) -> bool:
        return "FLAT" in self.spread


@dataclass(frozen=True, eq=False)
class _Scene:
    """What all the rows share: the image, its brain and truth, cut to the brain's box, and the slices."""

    grey: Upright
    inside: NDArray[np.bool_]
    truth: NDArray[np.bool_] | None
    axis: Axis
    slices: list[int]
    box: tuple[slice, slice, slice]


def _scene_of(
    grey: Upright,
    inside: NDArray[np.bool_],
    truth: NDArray[np.bool_] | None,
    axis: Axis,
    positions: Sequence[int] | None,
) -> _Scene:
    """Only the box around the brain and the truth is drawn, so that slices fill their places."""
    box = bounding_box(inside if truth is None else inside | truth)
    chosen = list(positions) if positions is not None else spread_slices(inside, axis, SLICES)
    low, high = grey_range(grey.data, inside)
    image = grey.cropped(box)
    shown = Upright(np.clip((image.data - low) / (high - low), 0, 1) * inside[box], image.affine)
    start = box["xyz".index(axis)].start
    return _Scene(
        shown, inside[box], None if truth is None else truth[box], axis, [index - start for index in chosen], box
    )


def _draw(scene: _Scene, rows: Sequence[_MapRow | None], title: str, path: Path) -> None:
    _, across, _, up = scene.grey.extent(scene.axis)
    blocks = 1 if len(rows) <= ONE_BLOCK else 2
    layout = Layout((TILE, TILE * up / across), len(scene.slices), blocks, math.ceil(len(rows) / blocks))
    canvas = canvas_of(layout.width, layout.height)
    canvas.set_facecolor(PAPER)
    words = Words(canvas, layout)
    words.write(title, EDGE, 0.17, 11)
    words.write(TOLD, EDGE, 0.37, 8, DIM)
    for index, row in enumerate(rows):
        if row is None:
            continue
        _write_row(words, row, index)
        if index < blocks or rows[index - blocks] is None:
            _write_heads(words, scene, index)
        for column, index_of in enumerate(scene.slices):
            place = layout.parts(layout.slice(index, column), layout.top(index), *layout.tile)
            _draw_slice(canvas.add_axes(place, facecolor=PAPER), scene, row, index_of)
    long = min(2.3, layout.lines * (layout.tile[1] + GAP) - GAP)
    bar = layout.parts(layout.width - BAR + 0.1, layout.top(0), 0.16, long)
    _draw_bar(canvas, canvas.add_axes(bar))
    last = letters_in_words(scene.axis)
    if scene.truth is not None:
        last += ";  blue outline: ground truth"
    words.write(last, EDGE, layout.height - 0.14, 8, DIM)
    with atomic_path(path) as temporary:
        temporary.write_bytes(png_of(canvas, DPI))


def _write_row(words: Words, row: _MapRow, index: int) -> None:
    """A row's name, and below it what is said of its map; why there is none, beside."""
    layout = words.layout
    left, middle, room = layout.left(index), layout.top(index) + layout.tile[1] / 2, NAME - ASIDE
    words.write(fitting(row.name, 9, room), left, middle - 0.09, 9)
    if row.missing:
        across = int((layout.block - NAME - NEXT) / 0.068)
        words.write(fill(row.note, across, max_lines=5), layout.slice(index, 0), middle, 8, ALERT)
        return
    lines = [part for part in (*row.spread.split("; "), row.note) if part]
    for number, line in enumerate(lines):
        words.write(fitting(line, 7, room), left, middle + 0.07 + 0.13 * number, 7, ALERT if "FLAT" in line else DIM)


def _write_heads(words: Words, scene: _Scene, index: int) -> None:
    """Where each slice lies and which side is which, above the slices of the first row."""
    layout, axis = words.layout, scene.axis
    above = layout.top(index) - 0.1
    for column, index_of in enumerate(scene.slices):
        left, wide = layout.slice(index, column), layout.tile[0]
        label = f"{axis} = {scene.grey.position('xyz'.index(axis), index_of):+.0f} mm"
        words.write(label, left + wide / 2, above, 7.5, side="center")
        for letter, x in zip(letters(axis), (left + 0.05, left + wide - 0.05), strict=True):
            words.write(letter, x, above, 8, side="center")


def _draw_slice(axes: Axes, scene: _Scene, row: _MapRow, index: int) -> None:
    axis, extent = scene.axis, scene.grey.extent(scene.axis)
    within = Upright(scene.inside.astype(float), scene.grey.affine).cut(axis, index) > 0
    if not row.missing:
        image = np.where(within, scene.grey.cut(axis, index), 0)
        axes.imshow(image, GREYS, vmin=0, vmax=1, origin="lower", extent=extent, interpolation="nearest")
    if row.ranks is not None and not (row.flat and not row.ranks.any()):
        cut = Upright(np.asarray(row.ranks[scene.box], float), scene.grey.affine).cut(axis, index)
        seen, top = (cut > 0, 1.2) if row.ranks.dtype == bool else (within, 100)
        axes.imshow(
            np.where(seen, cut, np.nan), HEAT, vmin=0, vmax=top, origin="lower", extent=extent, interpolation="nearest"
        )
    if scene.truth is not None and row.ranks is not None and row.ranks.dtype != bool:
        truth = Upright(scene.truth.astype(float), scene.grey.affine).cut(axis, index) > 0
        if truth.any() and not truth.all():
            _outline(axes, truth, extent)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.set_axis_off()


def _outline(axes: Axes, truth: NDArray[np.bool_], extent: tuple[float, float, float, float]) -> None:
    """Lines along the edges between voxels of the truth and others."""
    height, width = truth.shape
    x, y = np.linspace(extent[0], extent[1], width + 1), np.linspace(extent[2], extent[3], height + 1)
    padded = np.pad(truth, 1)
    upright = [((x[j], y[i]), (x[j], y[i + 1])) for i, j in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])]
    flat = [((x[j], y[i]), (x[j + 1], y[i])) for i, j in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])]
    axes.add_collection(LineCollection(upright + flat, colors=OUTLINE, linewidths=0.9, capstyle="projecting"))


def _draw_bar(canvas: Canvas, axes: Axes) -> None:
    bar = canvas.colorbar(ScalarMappable(Normalize(0, 100), HEAT), cax=axes)
    bar.outline.set_visible(False)
    bar.set_label("% of the brain ranked lower", color=INK, fontsize=8)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)


def _same(map: ArrayLike, background: ArrayLike, name: str) -> ArrayLike:
    if np.shape(map) != np.shape(background):
        raise UsageError(f"{name}: shape {np.shape(map)} is not the background's, {np.shape(background)}.")
    return map
