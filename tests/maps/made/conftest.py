"""Images of every kind, methods that say something in and outside the brain, and where their maps lie."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import nibabel
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.ndimage import binary_fill_holes
from scipy.spatial.transform import Rotation

from interpbench import Aggregator, Explainer, Predictor, Recipe, explain
from interpbench.images.prepared import Prepared
from interpbench.testing import linear_predictor

SHAPE = (10, 13, 9)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0, centre=(1.0, -2.0, 3.0))
FIELD = np.array([44, 56, 40])  # mm: of the images

# voxel edges in mm, turns in degrees, how it is stored, brain by a mask, by the background, or by nothing
IMAGES = {
    "01": ((4, 4, 4), (0, 0, 0), "RAS", "background"),  # moved voxel by voxel
    "02": ((4, 4, 4), (0, 0, 0), "PSR", "mask"),
    "03": ((1, 1, 1), (0, 0, 0), "RAS", "background"),
    "04": ((1.5, 1.5, 1.5), (12, -9, 20), "RAS", "mask"),
    "05": ((1.5, 1.5, 1.5), (12, -9, 20), "LIP", "background"),
    "06": ((1, 1, 5), (0, 0, 0), "SAL", "mask"),
    "07": ((6, 6, 6), (0, 0, 0), "RAS", "background"),
    "08": ((5, 6, 7), (8, 0, -15), "IRA", "mask"),
    "09": ((2, 2, 2), (0, 0, 0), "LAS", "nothing"),
}


class Line(Predictor):
    """A weighted sum of some voxels."""

    def __init__(self) -> None:
        weights = torch.zeros(SHAPE)
        weights[3:6, 4:8, 2:5] = 0.1 + torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0))
        self.toy, self.recipe = linear_predictor(weights), RECIPE

    @property
    def module(self):
        return self.toy.module

    def predict(self, volumes):
        return self.toy.predict(volumes)


def texture(volumes: torch.Tensor) -> torch.Tensor:
    """Other values in every voxel, inside the brain and outside, of either sign."""
    noise = torch.randn(volumes[:, 0].shape[1:], generator=torch.Generator().manual_seed(3))
    return noise * (1 + volumes[:, 0].abs())


class Everywhere(Explainer):
    """Says something everywhere."""

    signed: ClassVar[bool] = True
    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(len(volumes))
        return texture(volumes)

    def explain_with_extras(self, predictor, volumes):
        map = self.explain(predictor, volumes)
        return map, {"size": map.abs()}


class Inside(Explainer):
    """Says something where there is an image, and nothing around it."""

    def explain(self, predictor, volumes):
        return texture(volumes).abs() * (volumes[:, 0] != 0)


class Corner(Explainer):
    """Says something in one corner only."""

    def explain(self, predictor, volumes):
        map = torch.zeros_like(volumes[:, 0])
        map[:, 0, 0, 0] = 2.0
        return map


class Total(Aggregator):
    """The sum of the maps."""

    def __init__(self) -> None:
        self.sum = torch.zeros(SHAPE)

    def add(self, map):
        self.sum += map

    def merge(self, other):
        self.sum += other.sum

    def result(self):
        return {"sum": self.sum}


@pytest.fixture(autouse=True)
def components(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("predictor", "line", Line)
    for name, method in (("everywhere", Everywhere), ("inside", Inside), ("corner", Corner)):
        toy_plugin.offer("explainer", name, method)
    toy_plugin.offer("aggregator", "total", Total)
    Everywhere.calls.clear()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each kind: an ellipsoid that is darker on one side, with a dark hole in the middle."""
    folder = tmp_path_factory.mktemp("kinds")
    rows = ["participant_id\tage\timage\tmask"]
    for number, (label, (edges, turns, codes, brain)) in enumerate(IMAGES.items()):
        random = np.random.default_rng(number)
        field = 0.8 * FIELD if brain == "nothing" else FIELD  # inside the network's box, for all of it counts
        shape = tuple(np.rint(field / edges).astype(int))
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", turns, degrees=True).as_matrix() * edges
        middle = np.array(shape) // 2 - (0.0 if max(edges) == min(edges) == 4 else 0.3)
        affine[:3, 3] = np.array([3.0, -2.0, 3.0]) - affine[:3, :3] @ middle
        places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
        x, y, z = np.moveaxis(places - RECIPE.centre, -1, 0)
        inside = (x / 15) ** 2 + (y / 20) ** 2 + (z / 13) ** 2 < 1
        hole = x**2 + y**2 + z**2 < 4.5**2
        data = np.where(inside & ~hole, 100 + 2 * x + 10 * random.standard_normal(shape), 0.0)
        if brain == "nothing":
            data += random.standard_normal(shape)
        turn = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
        for name, values in (("image", data), ("mask", inside)):
            plain = nibabel.Nifti1Image(values.astype(np.float32), affine)
            plain.header.set_xyzt_units("mm")
            nibabel.save(plain.as_reoriented(turn), folder / f"{label}_{name}.nii.gz")
        mask = f"{label}_mask.nii.gz" if brain == "mask" else "n/a"
        rows.append(f"{label}\t{50 + number}\t{label}_image.nii.gz\t{mask}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def run(cohort: Path, tmp_path: Path) -> Callable[..., Path]:
    def explained(method: str = "everywhere", out: str = "maps", **settings) -> Path:
        explain(cohort, "line", tmp_path / out, method=method, split=None, device="cpu", **settings)
        return tmp_path / out

    return explained


def brain_on_disk(cohort: Path, label: str) -> np.ndarray:
    """What counts as brain on the image's own grid."""
    if IMAGES[label][3] == "mask":
        return nibabel.load(cohort / f"{label}_mask.nii.gz").get_fdata() > 0
    return binary_fill_holes(nibabel.load(cohort / f"{label}_image.nii.gz").get_fdata() != 0)


def prepared_of(cohort: Path, label: str) -> Prepared:
    mask = cohort / f"{label}_mask.nii.gz" if IMAGES[label][3] == "mask" else None
    return RECIPE.prepare(cohort / f"{label}_image.nii.gz", mask)


def made_of(cohort: Path, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The map that `everywhere` makes, and the brain, on the network's grid."""
    prepared = prepared_of(cohort, label)
    return texture(prepared.volume[None])[0], prepared.brain


def path_of(maps: Path, label: str, name: str = "importance", method: str = "everywhere") -> Path:
    return maps / f"sub-{label}" / f"sub-{label}_desc-{method}_{name}.nii.gz"


def kept_of(maps: Path, label: str, method: str = "everywhere") -> Path:
    return maps / "network" / f"sub-{label}" / f"sub-{label}_space-network_desc-{method}_map.nii.gz"


def record_of(path: Path) -> dict:
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


@pytest.fixture(name="texture", scope="session")
def give_texture() -> Callable[..., Any]:
    return texture


@pytest.fixture(name="brain_on_disk", scope="session")
def give_brain_on_disk() -> Callable[..., Any]:
    return brain_on_disk


@pytest.fixture(name="prepared_of", scope="session")
def give_prepared_of() -> Callable[..., Any]:
    return prepared_of


@pytest.fixture(name="made_of", scope="session")
def give_made_of() -> Callable[..., Any]:
    return made_of


@pytest.fixture(name="path_of", scope="session")
def give_path_of() -> Callable[..., Any]:
    return path_of


@pytest.fixture(name="kept_of", scope="session")
def give_kept_of() -> Callable[..., Any]:
    return kept_of


@pytest.fixture(name="record_of", scope="session")
def give_record_of() -> Callable[..., Any]:
    return record_of


@pytest.fixture(scope="session")
def everywhere() -> type[Everywhere]:
    return Everywhere
