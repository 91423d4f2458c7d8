"""Small heads with three regions each, on grids of many kinds, to plant something in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from interpbench import read_cohort
from interpbench.planting.strength import FEWEST

SHAPE, VOXEL = (16, 18, 14), 3.0
PLACES = {1: (8.0, 6.0, 0.0), 2: (-9.0, -4.0, 2.0), 3: (0.0, -14.0, 0.0)}


def grid(codes: str, voxel: float, shape: tuple[int, ...]) -> np.ndarray:
    """An affine with the world's origin in the middle."""
    plain = nibabel.orientations.axcodes2ornt(codes)
    affine = np.zeros((4, 4))
    for column, (axis, sign) in enumerate(plain):
        affine[int(axis), column] = sign * voxel
    affine[3, 3] = 1
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def world(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    places = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    return places.reshape(3, *shape)


def labels_on(affine: np.ndarray, shape: tuple[int, ...], shift: float = 0.0) -> np.ndarray:
    places, found = world(affine, shape), np.zeros(shape, dtype=np.int16)
    for value, centre in PLACES.items():
        found[np.linalg.norm(places - np.reshape(centre, (3, 1, 1, 1)) - shift, axis=0) < 6.5] = value
    return found


def write(folder: Path, subjects: int, *, codes: str = "RAS", own: str = "RAS", voxel: float = VOXEL) -> Path:
    """Heads of smooth tissue and noise, each with three regions in a label image on a grid of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    affine, fine = grid(codes, VOXEL, SHAPE), tuple(round(edge * VOXEL / voxel) for edge in SHAPE)
    places = world(affine, SHAPE)
    inside = np.linalg.norm(places / np.reshape([22, 24, 19], (3, 1, 1, 1)), axis=0) < 1
    rows = ["participant_id\tage\tsex\timage\tlabels"]
    for number in range(subjects):
        random = np.random.default_rng(number)
        shift = random.uniform(-1, 1)
        values = 500 + 25 * random.standard_normal(SHAPE) + 80 * (labels_on(affine, SHAPE, shift) > 0)
        values[np.linalg.norm(places, axis=0) < 4] = 120
        name = f"s{number:02d}"
        voxels = np.where(inside, values, 0).astype(np.int16)
        image = nibabel.Nifti1Image(voxels, affine)
        image.set_qform(affine, 1)
        nibabel.save(image, folder / f"{name}.nii.gz")
        own_affine = grid(own, voxel, fine)
        labels = labels_on(own_affine, fine, shift)
        nibabel.save(nibabel.Nifti1Image(labels, own_affine), folder / f"{name}_labels.nii.gz")
        rows.append(f"sub-{name}\t{40 + number}\t{'FM'[number % 2]}\t{name}.nii.gz\t{name}_labels.nii.gz")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def pairs(before: Path, after: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each subject: whether the image changed, the truth, the distractors, the graded truth."""
    old = {subject.id: subject for subject in read_cohort(before).subjects}
    for subject in read_cohort(after).subjects:
        changed = voxels(subject.image) != voxels(old[subject.id].image)
        graded = voxels(Path(str(subject.truth).replace("_mask", "_map")))
        others = voxels(subject.distractors) > 0 if subject.distractors else np.zeros_like(changed)
        yield changed, voxels(subject.truth) > 0, others, graded


def images(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.nii.gz")}


@pytest.fixture(scope="session")
def heads() -> SimpleNamespace:
    """What the tests of planting share: how cohorts are written, and how they are compared."""
    shared = (grid, world, labels_on, write, voxels, pairs, images)
    return SimpleNamespace(shape=SHAPE, voxel=VOXEL, places=PLACES, **{one.__name__: one for one in shared})


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four subjects; nobody changes them."""
    return write(tmp_path_factory.mktemp("few") / "cohort", 4)


@pytest.fixture(scope="session")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many subjects as a linear reader needs, and some more; nobody changes them."""
    return write(tmp_path_factory.mktemp("some") / "cohort", FEWEST + 20)
