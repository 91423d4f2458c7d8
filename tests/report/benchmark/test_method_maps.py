"""The picture of many methods' maps: the same slices for all, nothing on top of anything else."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.image import imread
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from interpbench.errors import UsageError
from interpbench.report.benchmark.method_maps import method_maps

SHAPE = (12, 14, 10)
AFFINE = np.array([[4.0, 0, 0, -20], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])


def image() -> NDArray[np.float64]:
    """A textured box off the border; 0 elsewhere."""
    values = np.zeros(SHAPE)
    values[1:-1, 1:-1, 1:-1] = np.random.default_rng(0).normal(size=(10, 12, 8))
    return values


BRAIN = image() != 0


def noise(seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=SHAPE)


def drawn(folder: Path, maps: Any, name: str = "maps.png", **changes: Any) -> NDArray[np.float32]:
    given = {"title": "Maps of sub-01", "brain": BRAIN, **changes}
    method_maps(maps, image(), AFFINE, folder / name, **given)
    return np.asarray(imread(folder / name)[..., :3])


def hot(pixels: NDArray[np.float32]) -> int:
    """How many pixels are painted in the colours of ranks, beside the colour bar."""
    part = pixels[:, : int(0.84 * pixels.shape[1])]
    return int((part[..., 0] - part[..., 2] > 0.15).sum())


def test_a_flat_map_is_not_painted_and_one_with_values_is(tmp_path: Path) -> None:
    flat = drawn(tmp_path, {"a": np.full(SHAPE, 0.3)})
    assert hot(drawn(tmp_path, {"a": noise()})) > 20 * max(hot(flat), 1)


def test_maps_that_differ_in_unit_only_look_the_same(tmp_path: Path) -> None:
    values = np.abs(noise()) + 0.1
    one, other = drawn(tmp_path, {"a": values}), drawn(tmp_path, {"a": 1e4 * values})
    left = int((0.12 + 1.62) * 110)  # beyond the name and its range
    assert np.array_equal(one[:, left:], other[:, left:])


@pytest.mark.slow
def test_a_row_is_added_for_each_map_and_for_the_truth(tmp_path: Path) -> None:
    truth = np.zeros(SHAPE)
    truth[3:6, 4:8, 3:6] = 1
    heights = [
        len(drawn(tmp_path, maps, truth=given))
        for maps, given in (({"a": noise()}, None), ({"a": noise(), "b": noise(2)}, None), ({"a": noise()}, truth))
    ]
    assert heights[1] > heights[0] and heights[2] == heights[1]


def test_the_truth_is_outlined_on_every_map(tmp_path: Path) -> None:
    truth = np.zeros(SHAPE, bool)
    truth[3:6, 4:8, 3:6] = True

    def blue(pixels: NDArray[np.float32]) -> int:
        return int((pixels[..., 2] - pixels[..., 0] > 0.3).sum())

    none, one, two = (
        blue(drawn(tmp_path, maps, positions=[4], truth=given))
        for maps, given in (({"a": noise()}, None), ({"a": noise()}, truth), ({"a": noise(), "b": noise()}, truth))
    )
    assert none == 0 and one > 20 and 1.7 * one < two < 2.3 * one


def canvas_drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, maps: Any, **changes: Any) -> Canvas:
    """The picture before it is painted, which takes most of the time."""
    canvases: list[Canvas] = []
    monkeypatch.setattr(
        "interpbench.report.benchmark.method_maps.png_of", lambda canvas, dpi: canvases.append(canvas) or b""
    )
    method_maps(maps, image(), AFFINE, folder / "maps.png", **{"title": "Maps of sub-01", "brain": BRAIN, **changes})
    return canvases[0]


def overlapping(boxes: list[Bbox]) -> int:
    """How many pairs share more than the rounding of a pixel."""
    shared = (Bbox.intersection(*pair) for pair in combinations(boxes, 2))
    return sum(one is not None and min(one.width, one.height) > 1 for one in shared)


TRUTH = np.zeros(SHAPE)
TRUTH[3:6, 4:8, 3:6] = 1


@pytest.mark.parametrize(
    ("axis", "changes", "count"),
    [("z", {"truth": TRUTH}, 1), ("y", {"positions": [4]}, 1), ("z", {}, 8), ("x", {"truth": TRUTH}, 8)],
)
def test_no_word_lies_on_a_slice_another_word_or_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axis: str, changes: dict[str, Any], count: int
) -> None:
    maps = {f"W_wide_method_of_many_{index}+blur": noise(index) for index in range(count)}
    maps |= {"smoothgradsquared+blur+": np.full(SHAPE, 0.3), "none": None, "nearly": 1 + 1e-5 * noise()}
    notes = {"none": "NotApplicable: this network has no ReLU, and the method changes what ReLUs hand back."}
    canvas = canvas_drawn(tmp_path, monkeypatch, maps, axis=axis, notes=notes, **changes)
    renderer = canvas.canvas.get_renderer()
    words = [text.get_window_extent(renderer) for text in canvas.texts]
    *slices, bar = canvas.axes
    boxes = [axes.get_window_extent(renderer) for axes in slices if axes.images] + [bar.get_tightbbox(renderer)]
    assert overlapping(words) == 0 and overlapping(boxes) == 0
    assert overlapping([*words, *boxes]) == 0
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in (*words, *boxes))
    assert all(box.x1 <= canvas.bbox.x1 and box.y1 <= canvas.bbox.y1 for box in (*words, *boxes))


def test_letters_of_neighbouring_slices_stand_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = canvas_drawn(tmp_path, monkeypatch, {"a": noise()})
    renderer = canvas.canvas.get_renderer()
    letters = [text for text in canvas.texts if text.get_text() in ("L", "R")]
    boxes = sorted((text.get_window_extent(renderer) for text in letters), key=lambda box: box.x0)
    assert len(boxes) == 8
    assert min(after.x0 - before.x1 for before, after in zip(boxes[1:-1:2], boxes[2::2], strict=True)) > boxes[0].width


@pytest.mark.slow
@pytest.mark.parametrize("truth", [None, TRUTH])
def test_both_blocks_say_where_their_slices_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth: NDArray[np.float64] | None
) -> None:
    canvas = canvas_drawn(tmp_path, monkeypatch, {f"m{index}": noise(index) for index in range(12)}, truth=truth)
    assert sum(" mm" in text.get_text() for text in canvas.texts) == 8


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 9, 20])
@pytest.mark.parametrize("with_truth", [False, True])
def test_many_maps_stand_side_by_side(tmp_path: Path, count: int, with_truth: bool) -> None:
    truth = BRAIN & (noise() > 1) if with_truth else None
    pixels = drawn(tmp_path, {f"method{index}+blur": noise(index) for index in range(count)}, truth=truth)
    assert pixels.shape[1] < (900 if count == 1 else 1600)
    assert pixels.shape[0] < 110 * 1.4 * (count / (2 if count > 8 else 1) + 4)


@pytest.mark.slow
def test_a_method_without_a_map_has_a_row_that_says_why(tmp_path: Path) -> None:
    with_note = drawn(tmp_path, {"a": noise(), "b": None}, "a.png", notes={"b": "no ReLU"})
    without = drawn(tmp_path, {"a": noise(), "b": None}, "b.png")
    assert with_note.shape == without.shape and not np.array_equal(with_note, without)


@pytest.mark.parametrize("orientation", ["LAS", "PSR"])
def test_the_picture_does_not_depend_on_the_order_of_the_files_axes(tmp_path: Path, orientation: str) -> None:
    start, end = nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(orientation)
    turn = nib.orientations.ornt_transform(start, end)
    given = [noise(), image(), BRAIN.astype(float)]
    turned = [nib.Nifti1Image(values, AFFINE).as_reoriented(turn) for values in given]
    method_maps({"a": given[0]}, given[1], AFFINE, tmp_path / "a.png", title="t", brain=given[2])
    values = [one.get_fdata() for one in turned]
    method_maps({"a": values[0]}, values[1], turned[0].affine, tmp_path / "b.png", title="t", brain=values[2])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_each_axis_can_be_cut_and_words_are_never_formulae(tmp_path: Path, axis: Any) -> None:
    assert hot(drawn(tmp_path, {r"$\frac": noise()}, axis=axis, title="$", notes={r"$\frac": "$_"})) > 100


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no map to draw"):
        drawn(tmp_path, {})
    with pytest.raises(UsageError, match=r"a: shape \(2, 2, 2\) is not the background's, \(12, 14, 10\)"):
        drawn(tmp_path, {"a": np.ones((2, 2, 2))})
    with pytest.raises(UsageError, match="a: 1680 voxels are NaN"):
        drawn(tmp_path, {"a": np.full(SHAPE, np.nan)})
    with pytest.raises(UsageError, match="the brain is empty"):
        drawn(tmp_path, {"a": noise()}, brain=np.zeros(SHAPE))
    assert list(tmp_path.iterdir()) == []
