"""The six slices: what is painted, where, on which scale, and that nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import ArrayLike, NDArray

from interpbench.errors import UsageError
from interpbench.report.pictures import six_slices, write_picture
from interpbench.report.slices import Upright, bounding_box, inside_of, spread_slices

SHAPE = (12, 14, 10)
AFFINE = np.array([[4.0, 0, 0, -20], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])
WORDS: dict[str, Any] = {"title": "Population importance", "unit": "1 - B", "n": 3}


def brain() -> NDArray[np.float64]:
    """A textured box off the border; 0 elsewhere."""
    image = np.zeros(SHAPE)
    image[1:-1, 1:-1, 1:-1] = np.random.default_rng(0).normal(size=(10, 12, 8))
    return image


def drawn(map: NDArray[np.float64], background: NDArray[np.float64], affine: ArrayLike, path: Path, **words) -> None:
    """The picture in a file."""
    write_picture(six_slices(map, background, affine, **words), path)


def spot(value: float = 0.8) -> NDArray[np.float64]:
    """On the subject's left, in the middle otherwise."""
    importance = np.zeros(SHAPE)
    importance[2:5, 5:9, 3:7] = value
    return importance


def slices_of(path: Path) -> NDArray[np.bool_]:
    """Where a picture is red, without the colour bar at its right."""
    pixels = imread(path)
    red = pixels[..., 0] - pixels[..., 2] > 0.2
    return np.asarray(red[:, : int(red.shape[1] * 0.9)])


def test_the_picture_is_a_png_and_nothing_else_is_left_beside_it(tmp_path: Path) -> None:
    drawn(spot(), brain(), AFFINE, tmp_path / "new" / "map.png", **WORDS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["map.png"]
    assert (tmp_path / "new" / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_subjects_left_is_painted_at_the_left_of_each_slice(tmp_path: Path) -> None:
    drawn(spot(), brain(), AFFINE, tmp_path / "map.png", positions=[5], **WORDS)
    left, tile = 0.12 * 150, 1.75 * 150  # pixels
    columns = np.flatnonzero(slices_of(tmp_path / "map.png")[:, : int(left + tile)].any(axis=0))
    assert columns.min() > left and columns.max() < left + tile / 2


@pytest.mark.parametrize("orientation", ["LAS", "PSR", "IRA"])
def test_the_picture_does_not_depend_on_the_order_of_the_files_axes(tmp_path: Path, orientation: str) -> None:
    start, end = nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(orientation)
    turn = nib.orientations.ornt_transform(start, end)
    turned = [nib.Nifti1Image(data, AFFINE).as_reoriented(turn) for data in (spot(), brain())]
    drawn(spot(), brain(), AFFINE, tmp_path / "a.png", **WORDS)
    drawn(turned[0].get_fdata(), turned[1].get_fdata(), turned[0].affine, tmp_path / "b.png", **WORDS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_only_values_above_the_threshold_are_painted(tmp_path: Path) -> None:
    importance = spot(0.8)
    importance[7:10, 5:9, 3:7] = 0.3
    areas = []
    for threshold in (0.0, 0.3, 0.8):
        drawn(importance, brain(), AFFINE, tmp_path / "map.png", threshold=threshold, **WORDS)
        areas.append(int(slices_of(tmp_path / "map.png").sum()))
    assert areas[0] > 1.5 * areas[1] > 0 and areas[2] == 0


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_flat_map_makes_a_picture_too(tmp_path: Path, value: float) -> None:
    drawn(np.full(SHAPE, value), brain(), AFFINE, tmp_path / "map.png", vmin=value, **WORDS)
    assert (tmp_path / "map.png").exists()


def test_the_same_scale_given_twice_paints_the_same_value_alike(tmp_path: Path) -> None:
    weaker, stronger = spot(0.4), spot(0.4)
    stronger[9, 9, 8] = 5.0  # another largest value, in no slice that is shown
    for name, importance in (("a", weaker), ("b", stronger)):
        drawn(importance, brain(), AFFINE, tmp_path / f"{name}.png", vmax=1.0, positions=[4, 5], **WORDS)
    first, second = imread(tmp_path / "a.png"), imread(tmp_path / "b.png")
    rows = slice(int(0.56 * 150), int(1.9 * 150))
    assert np.array_equal(first[rows, :500], second[rows, :500])


def test_the_truth_stands_below_on_the_same_slices(tmp_path: Path) -> None:
    drawn(np.zeros(SHAPE), brain(), AFFINE, tmp_path / "map.png", truth=spot(), truth_unit="1", **WORDS)
    red = slices_of(tmp_path / "map.png")
    half = len(red) // 2
    assert not red[:half].any() and red[half:].any()


def test_what_is_painted_outside_the_brain_is_shown(tmp_path: Path) -> None:
    importance = np.zeros(SHAPE)
    importance[0, 5:9, 3:7] = 1.0
    drawn(importance, brain(), AFFINE, tmp_path / "map.png", **WORDS)
    assert slices_of(tmp_path / "map.png").any()


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_each_axis_can_be_cut(tmp_path: Path, axis: Any) -> None:
    drawn(spot(), brain(), AFFINE, tmp_path / "map.png", axis=axis, **WORDS)
    assert slices_of(tmp_path / "map.png").any()


@pytest.mark.parametrize(
    ("axis", "meaning"),
    [
        ("x", "P, A: back and front of the subject; crown at the top"),
        ("y", "L, R: left and right of the subject; crown at the top"),
        ("z", "L, R: left and right of the subject; front at the top"),
    ],
)
def test_the_footnote_explains_the_letters_that_are_drawn_and_no_others(axis: Any, meaning: str) -> None:
    canvas = six_slices(spot(), brain(), AFFINE, axis=axis, doubt="the mean is as good", **WORDS)
    written = [text.get_text() for text in canvas.texts]
    assert any(text.startswith("grey: ") and text.endswith(meaning) for text in written)
    assert "Warning: the mean is as good" in written
    drawn_letters = {text.get_text() for axes in canvas.axes for text in axes.texts if len(text.get_text()) == 1}
    assert drawn_letters == set(meaning.partition(":")[0].split(", "))


def test_words_with_dollars_are_words(tmp_path: Path) -> None:
    words = {**WORDS, "title": r"costs $5 or \frac $", "unit": "$"}
    drawn(spot(), brain(), AFFINE, tmp_path / "map.png", **words)
    assert (tmp_path / "map.png").exists()


def test_settings_and_inputs_are_left_alone(tmp_path: Path) -> None:
    settings, backend = dict(mpl.rcParams), mpl.get_backend(auto_select=False)
    importance, image, affine = spot(), brain(), AFFINE.copy()
    drawn(importance, image, affine, tmp_path / "map.png", truth=importance, **WORDS)
    assert dict(mpl.rcParams) == settings and mpl.get_backend(auto_select=False) == backend
    assert np.array_equal(importance, spot()) and np.array_equal(image, brain()) and np.array_equal(affine, AFFINE)


def test_a_map_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"shape \(12, 14, 9\) is not the background's, \(12, 14, 10\)"):
        drawn(spot()[..., :9], brain(), AFFINE, tmp_path / "map.png", **WORDS)


def test_a_map_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="48 voxels are NaN or infinite"):
        drawn(np.where(spot() > 0, np.nan, 0.0), brain(), AFFINE, tmp_path / "map.png", **WORDS)
    assert not list(tmp_path.iterdir())


def test_a_scale_upside_down_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"vmax must be above vmin \(0\), got -1"):
        drawn(spot(), brain(), AFFINE, tmp_path / "map.png", vmax=-1.0, **WORDS)


def test_positions_are_world_coordinates_also_after_cropping() -> None:
    volume = Upright.of(brain(), AFFINE)
    cropped = volume.cropped((slice(1, 9), slice(2, 8), slice(3, 7)))
    assert [volume.position(axis, 5) for axis in range(3)] == [0.0, -10.0, 10.0]
    assert cropped.position(2, 2) == volume.position(2, 5)
    assert np.array_equal(cropped.cut("z", 2), volume.data[1:9, 2:8, 5].T)


def test_slices_are_spread_evenly_over_what_is_inside() -> None:
    inside = np.zeros((10, 10, 60), dtype=bool)
    inside[3:7, 3:7, 5:56] = True
    slices = spread_slices(inside, "z", 6)
    assert len(set(np.diff(slices))) <= 2 and slices[0] == 11 and slices[-1] == 49
    assert bounding_box(inside) == (slice(3, 7), slice(3, 7), slice(5, 56))


def test_a_background_without_an_empty_value_counts_as_a_whole() -> None:
    noise = np.random.default_rng(1).normal(size=SHAPE)
    assert inside_of(noise).all()
    assert np.array_equal(inside_of(brain()), brain() != 0)
