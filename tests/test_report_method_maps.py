"""Maps of many methods: ranks instead of units, flat maps called flat, the same slices for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray
from scipy.stats import rankdata

from interpbench.errors import UsageError
from interpbench.report.method_maps import method_maps, percentile_ranks, spread_in_words

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


def test_ranks_are_those_of_scipy_inside_the_brain_and_zero_outside() -> None:
    values = np.round(noise(), 1)  # with ties
    ranks = percentile_ranks(values, BRAIN)
    expected = 100 * (rankdata(np.abs(values)[BRAIN], method="min") - 1) / BRAIN.sum()
    assert np.allclose(ranks[BRAIN], expected)
    assert (ranks[~BRAIN] == 0).all() and ranks.min() == 0 and ranks.max() < 100


def test_ranks_do_not_depend_on_the_unit_or_on_what_lies_outside_the_brain() -> None:
    values = np.abs(noise())
    other = np.where(BRAIN, 1e-9 * values**3, 1e6)
    assert np.array_equal(percentile_ranks(values, BRAIN), percentile_ranks(other, BRAIN))


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_a_flat_map_has_no_ranks_and_is_called_flat(value: float) -> None:
    values = np.full(SHAPE, value) * (1 + 1e-8 * noise())
    assert (percentile_ranks(values, BRAIN) == 0).all()
    assert spread_in_words(values, BRAIN).startswith(f"FLAT: every voxel is {abs(value):.3g}")


def test_a_map_that_hardly_varies_is_called_nearly_flat() -> None:
    assert spread_in_words(0.5 + 1e-3 * np.tanh(noise()), BRAIN).startswith("NEARLY FLAT: 0.499 to 0.501")
    assert spread_in_words(0.5 + 0.1 * np.tanh(noise()), BRAIN).startswith("0.4")


def test_a_map_that_is_zero_nearly_everywhere_is_not_flat_and_says_so() -> None:
    values = np.zeros(SHAPE)
    values[3, 3, 3] = 2.0
    assert spread_in_words(values, BRAIN) == "0 to 2; 100 % are 0"
    assert spread_in_words(values, np.zeros(SHAPE, bool)) == "no brain"


def test_a_flat_map_is_not_painted_and_one_with_values_is(tmp_path: Path) -> None:
    flat = drawn(tmp_path, {"a": np.full(SHAPE, 0.3)})
    assert hot(drawn(tmp_path, {"a": noise()})) > 20 * max(hot(flat), 1)


def test_maps_that_differ_in_unit_only_look_the_same(tmp_path: Path) -> None:
    values = np.abs(noise()) + 0.1
    one, other = drawn(tmp_path, {"a": values}), drawn(tmp_path, {"a": 1e4 * values})
    left = int((0.12 + 1.62) * 110)  # beyond the name and its range
    assert np.array_equal(one[:, left:], other[:, left:])


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


@pytest.mark.parametrize("count", [1, 9, 20])
@pytest.mark.parametrize("with_truth", [False, True])
def test_many_maps_stand_side_by_side(tmp_path: Path, count: int, with_truth: bool) -> None:
    truth = BRAIN & (noise() > 1) if with_truth else None
    pixels = drawn(tmp_path, {f"method{index}+blur": noise(index) for index in range(count)}, truth=truth)
    assert pixels.shape[1] < (900 if count == 1 else 1600)
    assert pixels.shape[0] < 110 * 1.4 * (count / (2 if count > 8 else 1) + 4)


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
