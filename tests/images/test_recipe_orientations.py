"""However an image and its mask are stored, the network sees the same volume and the same brain."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from interpbench import Recipe
from interpbench.images.prepared import Prepared

ALL_48 = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]
AFFINE = np.array([[-2.0, 0, 0, 21], [0, 2, 0, -25], [0, 0, 2, -18], [0, 0, 0, 1]])
# Voxels twice as large: many of them are half brain, exactly.
RECIPE = Recipe(shape=(11, 13, 10), voxel_size=4.0, centre=(0.0, 0.0, 1.0))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    folder, random = tmp_path_factory.mktemp("stored"), np.random.default_rng(4)
    mask = np.zeros((22, 26, 20), dtype=np.uint8)
    mask[3:18, 4:23, 2:17] = 1
    mask[8:13, 10:15, 6:9] = 0
    voxels = (1000 * random.random(mask.shape)).astype(np.int16)
    found = {}
    for codes in ALL_48:
        for name, data in (("image", voxels), ("mask", mask)):
            plain = nibabel.Nifti1Image(data, AFFINE)
            turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))
            nibabel.save(plain.as_reoriented(turn), folder / f"{name}.nii.gz")
        found[codes] = RECIPE.prepare(Path(folder / "image.nii.gz"), folder / "mask.nii.gz")
    return found


@pytest.mark.parametrize("codes", ALL_48)
def test_a_voxel_that_is_half_brain_is_brain_in_every_orientation(codes: str, prepared: dict[str, Prepared]) -> None:
    ours, plain = prepared[codes], prepared["RAS"]
    assert np.allclose(ours.affine, plain.affine, atol=1e-9)
    assert bool((ours.brain == plain.brain).all())
    assert float((ours.volume - plain.volume).abs().max()) < 1e-5
