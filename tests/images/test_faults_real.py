"""The same on real heads, where there are some: `INTERPBENCH_DATA` names their folder."""

from __future__ import annotations

import os
import random
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from interpbench import InputError, Recipe, read_volume

DATA = os.environ.get("INTERPBENCH_DATA")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="INTERPBENCH_DATA is not set: it names the folder of real images"),
]
CODES = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]


@pytest.fixture(scope="module")
def heads() -> list[Path]:
    return sorted(Path(str(DATA), "pixar").glob("sub-*/anat/*_T1w.nii.gz"))


def test_300_flipped_bits(heads: list[Path], tmp_path: Path) -> None:
    draw = random.Random(20)
    refused = 0
    for _ in range(300):
        sound = draw.choice(heads[:20])
        content = bytearray(sound.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged = tmp_path / "damaged.nii.gz"
        damaged.write_bytes(content)
        try:
            found = read_volume(damaged)
        except InputError as error:
            assert "damaged.nii.gz" in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert np.array_equal(found.data.numpy(), read_volume(sound).data.numpy())
    assert refused > 250


@pytest.mark.parametrize("voxel_size", [2.0, 4.0, 3.0])
@pytest.mark.parametrize("centre", [(0.0, -17.0, 8.0), None])
def test_48_orientations(
    voxel_size: float, centre: tuple[float, float, float] | None, heads: list[Path], tmp_path: Path
) -> None:
    recipe = Recipe(shape=(35, 44, 35), voxel_size=voxel_size, centre=centre)
    mask = next(heads[0].parent.glob("*_desc-brain_mask.nii.gz"))
    files = {"image": nibabel.load(heads[0]), "mask": nibabel.load(mask)}
    first = None
    for codes in CODES:
        for name, image in files.items():
            turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
            nibabel.save(image.as_reoriented(turn), tmp_path / f"{name}.nii.gz")
        found = recipe.prepare(tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz")
        first = first or found
        assert np.allclose(found.affine, first.affine, atol=1e-4)
        assert bool((found.brain == first.brain).all())
        assert float((found.volume - first.volume).abs().max()) < 1e-4
