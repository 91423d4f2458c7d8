"""However the same head is stored, its map lies where it lay in the world, on the file's own grid."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Array = NDArray[Any]

SHAPE, CENTRE = (24, 28, 20), np.array([2.0, -3.0, 5.0])
CODES = ["".join(codes) for order in itertools.permutations(("LR", "PA", "IS")) for codes in itertools.product(*order)]
METHODS = ("saliency", "intensity")
OTHERS = {  # voxel edges in mm, and turns about the three axes in degrees
    "finer voxels": ((1.5, 1.5, 1.5), (0, 0, 0)),
    "thick slices": ((2.0, 2.0, 5.0), (0, 0, 0)),
    "thick slices the other way": ((5.0, 2.0, 2.0), (0, 0, 0)),
    "oblique": ((2.0, 2.0, 2.0), (12, 0, 0)),
    "oblique about each axis": ((2.0, 2.0, 2.0), (10, -15, 20)),
    "oblique with thick slices": ((1.5, 2.0, 3.0), (0, 25, 0)),
}


def head(points: Array) -> Array:
    """An ellipsoid with a gradient and two bumps, `(..., 3)` in mm, that has no symmetry."""
    x, y, z = np.moveaxis(points - CENTRE, -1, 0)
    inside = (x / 18) ** 2 + (y / 22) ** 2 + (z / 15) ** 2 < 1
    one = 60 * np.exp(-((x - 8) ** 2 + (y - 4) ** 2 + z**2) / 40)
    two = 30 * np.exp(-(x**2 + (y + 9) ** 2 + (z - 5) ** 2) / 30)
    return np.where(inside, 100 + x + 0.5 * y - 0.7 * z + one + two, 0).astype(np.float32)


def placed(shape: tuple[int, ...], edges: Any, turns: Any = (0, 0, 0)) -> Array:
    """The affine of a grid around the head's centre."""
    turn = np.eye(3)
    for axis, degrees in enumerate(turns):
        first, second = (one for one in range(3) if one != axis)
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        about = np.eye(3)
        about[first, first] = about[second, second] = cos
        about[first, second], about[second, first] = -sin, sin
        turn = about @ turn
    affine = np.eye(4)
    affine[:3, :3] = turn * np.asarray(edges)
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def world(shape: tuple[int, ...], affine: Array) -> Array:
    """The voxels' places, `(I, J, K, 3)` in mm."""
    index = np.stack(np.meshgrid(*(np.arange(edge) for edge in shape), indexing="ij"), -1)
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def middle(map: Array, affine: Array) -> Array:
    """The weighted centroid of what is above 0, in mm."""
    weights = np.maximum(map, 0)
    return np.tensordot(weights, world(map.shape, affine), 3) / weights.sum()


@pytest.fixture(scope="module")
def maps(
    toy_model: Path, tmp_path_factory: pytest.TempPathFactory, command: Callable[..., Any]
) -> Callable[[str, str], tuple[Any, Any, dict[str, Any]]]:
    """`maps(name, method)`: the image of that name, its map and its sidecar."""
    cohort, out = tmp_path_factory.mktemp("grids"), tmp_path_factory.mktemp("maps")
    plain = nibabel.Nifti1Image(head(world(SHAPE, affine := placed(SHAPE, (2, 2, 2)))), affine)
    images = {
        codes: plain.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(codes))) for codes in CODES
    }
    for name, (edges, turns) in OTHERS.items():
        shape = tuple(round(length / edge) for length, edge in zip((60, 70, 52), edges, strict=True))
        own = placed(shape, edges, turns)
        images[name] = nibabel.Nifti1Image(head(world(shape, own)), own)
    labels = {name: f"{number:02d}" for number, name in enumerate(images)}
    rows = ["participant_id\timage"]
    for name, image in images.items():
        image.header.set_xyzt_units("mm")
        nibabel.save(image, cohort / f"{labels[name]}.nii.gz")
        rows.append(f"{labels[name]}\t{labels[name]}.nii.gz")
    (cohort / "participants.tsv").write_text("\n".join(rows) + "\n")
    for method in METHODS:
        given = ["--predictor", toy_model, "--method", method, "--split", "all", "--device", "cpu"]
        code, _, told = command("explain", cohort, *given, "--out", out / method)
        assert code == 0, told

    def found(name: str, method: str) -> tuple[Any, Any, dict[str, Any]]:
        folder = out / method / f"sub-{labels[name]}"
        (map,), (sidecar,) = folder.glob("*_importance.nii.gz"), folder.glob("*_importance.json")
        return nibabel.load(cohort / f"{labels[name]}.nii.gz"), nibabel.load(map), json.loads(sidecar.read_text())

    return found


def on_its_own_grid(image: Any, map: Any) -> None:
    assert map.shape == image.shape
    assert np.abs(map.affine - image.affine).max() < 1e-4
    for field in ("sform_code", "qform_code", "xyzt_units"):
        assert map.header[field] == image.header[field]
    assert map.get_data_dtype() == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("codes", CODES)
def test_one_of_48_orientations(codes: str, method: str, maps: Callable[..., Any]) -> None:
    image, map, sidecar = maps(codes, method)
    on_its_own_grid(image, map)
    _, plain, expected = maps("RAS", method)
    back = map.as_reoriented(ornt_transform(axcodes2ornt(codes), axcodes2ornt("RAS")))
    assert np.abs(back.affine - plain.affine).max() < 1e-4
    reference = plain.get_fdata()
    assert np.ptp(reference) > 0
    assert np.abs(back.get_fdata() - reference).max() <= 1e-5 * np.ptp(reference)
    assert sidecar["prediction"] == pytest.approx(expected["prediction"], rel=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_another_grid(name: str, maps: Callable[..., Any]) -> None:
    """What is told of a place must be told there."""
    image, map, sidecar = maps(name, "intensity")
    on_its_own_grid(image, map)
    _, plain, expected = maps("RAS", "intensity")
    edge = np.linalg.norm(image.affine[:3, :3], axis=0).max()
    assert np.linalg.norm(middle(map.get_fdata(), map.affine) - middle(plain.get_fdata(), plain.affine)) < edge / 2
    places = world(map.shape, np.linalg.inv(plain.affine) @ map.affine)
    there = map_coordinates(plain.get_fdata(), np.moveaxis(places, -1, 0), order=1, cval=np.nan)
    known = np.isfinite(there)
    assert np.corrcoef(there[known], map.get_fdata()[known])[0, 1] > 0.9  # interpolated from another lattice of 4 mm
    assert sidecar["prediction"] == pytest.approx(expected["prediction"], abs=3)
