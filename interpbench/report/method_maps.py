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
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike, NDArray

from interpbench.atomic import atomic_path
from interpbench.errors import UsageError
from interpbench.report.drawing import canvas_of, png_of, short
from interpbench.report.pictures import DIM, GREYS, INK, PAPER
from interpbench.report.slices import Axis, Upright, box_of, grey_range, inside_of, letters, spread_slices

SLICES = 4
ONE_BLOCK = 9  # rows; more stand side by side, two a line
TILE, NAME, GAP, HEAD, LABEL, BAR, FOOT = 1.0, 1.78, 0.04, 0.62, 0.2, 0.85, 0.3  # inches
DPI = 110
NEARLY = 0.01  # a map whose SD is below this part of its mean is nearly flat
ROUNDING = 1e-6  # below this part it is flat but for rounding
HEAT = LinearSegmentedColormap.from_list("ranks", ["#16060f", "#5a0000", "#c40a0a", "#ff4a2a", "#ffc08a", "#fff6e0"])
OUTLINE = "#1f8fff"  # of the truth; told apart from the reds by the colour-blind too
ALERT = "#ffd21f"
TOLD = "Colour: percentile rank of |map| inside the brain, the same scale for every map."


def percentile_ranks(map: ArrayLike, brain: ArrayLike) -> NDArray[np.float64]:
    """How many percent of the brain's voxels have a smaller `|map|`; 0 outside the brain, and for a flat map.

    Args:
        map: `(I, J, K)`.
        brain: `(I, J, K)` bool.

    Returns:
        `(I, J, K)`, at least 0 and below 100; equal values have equal ranks.
    """
    inside, values = np.asarray(brain, bool), np.abs(np.asarray(map, np.float64))
    within = values[inside]
    ranks = np.zeros(values.shape)
    if within.size and not _flat(within):
        ranks[inside] = 100 * np.searchsorted(np.sort(within), within, side="left") / within.size
    return ranks


def spread_in_words(map: ArrayLike, brain: ArrayLike) -> str:
    """The range of `|map|` inside the brain, and whether the map says anything at all."""
    within = np.abs(np.asarray(map, np.float64))[np.asarray(brain, bool)]
    if not within.size:
        return "no brain"
    low, high = float(within.min()), float(within.max())
    if _flat(within):
        return f"FLAT: every voxel is {high:.3g}"
    if _variation(within) < NEARLY:
        return f"NEARLY FLAT: {low:.4g} to {high:.4g}"
    kinds, counts = np.unique(within, return_counts=True)
    commonest = int(counts.argmax())
    text = f"{low:.3g} to {high:.3g}"
    if counts[commonest] > 0.2 * within.size:
        text += f"; {100 * counts[commonest] / within.size:.0f} % are {kinds[commonest]:.2g}"
    return text


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
    rows: list[_Row | None] = [_Row("image", "", None)]
    where = None
    if truth is not None:
        where = Upright.of(np.asarray(_same(truth, background, "truth")) > 0, affine).data > 0
        share = 100 * float((where & inside).sum()) / float(inside.sum())
        rows.append(_Row("truth", f"{share:.1f} % of the brain", where))
    elif len(maps) + 1 > ONE_BLOCK:
        rows.append(None)  # the first line is for the image alone
    for name, map in maps.items():
        note = (notes or {}).get(name, "")
        if map is None:
            rows.append(_Row(name, note or "no map", None, missing=True))
            continue
        volume = Upright.of(_same(map, background, name), affine).data
        if not np.isfinite(volume).all():
            raise UsageError(f"{name}: {np.count_nonzero(~np.isfinite(volume))} voxels are NaN or infinite.")
        rows.append(_Row(name, note, percentile_ranks(volume, inside), spread_in_words(volume, inside)))
    _draw(_scene_of(grey, inside, where, axis, positions), rows, title, Path(path))


@dataclass(frozen=True, eq=False)
class _Row:
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
    box = box_of(inside if truth is None else inside | truth)
    chosen = list(positions) if positions is not None else spread_slices(inside, axis, SLICES)
    low, high = grey_range(grey.data, inside)
    image = grey.cropped(box)
    shown = Upright(np.clip((image.data - low) / (high - low), 0, 1) * inside[box], image.affine)
    start = box["xyz".index(axis)].start
    return _Scene(
        shown, inside[box], None if truth is None else truth[box], axis, [index - start for index in chosen], box
    )


def _draw(scene: _Scene, rows: Sequence[_Row | None], title: str, path: Path) -> None:
    _, across, _, up = scene.grey.extent(scene.axis)
    tile = (TILE, TILE * up / across)
    blocks = 1 if len(rows) <= ONE_BLOCK else 2
    lines = math.ceil(len(rows) / blocks)
    block = NAME + len(scene.slices) * (tile[0] + GAP) + 0.25
    width, height = 0.12 + blocks * block + BAR, HEAD + LABEL + lines * (tile[1] + GAP) + FOOT
    canvas = canvas_of(width, height)
    canvas.set_facecolor(PAPER)
    words: dict[str, Any] = {"color": INK, "va": "top", "parse_math": False}
    canvas.text(0.12 / width, 1 - 0.09 / height, title, fontsize=11, **words)
    canvas.text(0.12 / width, 1 - 0.31 / height, TOLD, fontsize=8, **(words | {"color": DIM}))
    for index, row in enumerate(rows):
        if row is None:
            continue
        left, line = 0.12 + (index % blocks) * block, index // blocks
        bottom = height - HEAD - LABEL - (line + 1) * (tile[1] + GAP)
        _write_row(canvas, row, left, bottom + tile[1] / 2)
        for column, index_of in enumerate(scene.slices):
            place = (left + NAME + column * (tile[0] + GAP), bottom, *tile)
            axes = canvas.add_axes(
                (place[0] / width, place[1] / height, place[2] / width, place[3] / height), facecolor=PAPER
            )
            _draw_slice(axes, scene, row, index_of, first=line == 0)
    bar = canvas.add_axes(
        ((width - BAR + 0.1) / width, (height - HEAD - LABEL - 2.4) / height, 0.16 / width, 2.3 / height)
    )
    _draw_bar(canvas, bar)
    last = "L, R, P, A: the left, right, back and front of the subject"
    if scene.truth is not None:
        last += ";  blue outline: the truth"
    canvas.text(0.12 / width, 0.09 / height, last, color=DIM, fontsize=8)
    with atomic_path(path) as temporary:
        temporary.write_bytes(png_of(canvas, DPI))


def _write_row(canvas: Canvas, row: _Row, left: float, middle: float) -> None:
    """A row's name and what is said of its map, at inches from the left and the bottom; why there is none, beside."""
    width, height = canvas.get_size_inches()

    def write(text: str, x: float, y: float, size: float, colour: str) -> None:
        canvas.text(x / width, y / height, text, color=colour, fontsize=size, va="center", parse_math=False)

    write(short(row.name, 24), left, middle + 0.09, 9, INK)
    if row.missing:
        write(fill(row.note, 60, max_lines=4), left + NAME, middle, 8, ALERT)
        return
    lines = [part for part in (*row.spread.split("; "), row.note) if part]
    for index, line in enumerate(lines):
        write(short(line, 28), left, middle - 0.07 - 0.13 * index, 7, ALERT if "FLAT" in line else DIM)


def _draw_slice(axes: Axes, scene: _Scene, row: _Row, index: int, first: bool) -> None:
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
    if first:
        label = f"{axis} = {scene.grey.position('xyz'.index(axis), index):+.0f} mm"
        axes.text(0.5, 1.03, label, transform=axes.transAxes, color=INK, fontsize=8, ha="center", va="bottom")
        for letter, place, side in zip(letters(axis), (0.0, 1.0), ("left", "right"), strict=True):
            axes.text(place, 0.96, letter, transform=axes.transAxes, color=INK, fontsize=8, ha=side, va="top")


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
    bar.set_label("% of the brain ranked lower", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)


def _variation(within: NDArray[np.float64]) -> float:
    """The SD over the mean, of values at least 0."""
    mean = float(within.mean())
    return float(within.std()) / mean if mean > 0 else 0.0


def _flat(within: NDArray[np.float64]) -> bool:
    return _variation(within) < ROUNDING


def _same(map: ArrayLike, background: ArrayLike, name: str) -> ArrayLike:
    if np.shape(map) != np.shape(background):
        raise UsageError(f"{name}: shape {np.shape(map)} is not the background's, {np.shape(background)}.")
    return map
