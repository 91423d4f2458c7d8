"""The recipe that suits a cohort: one box where its images share a grid, else one around each brain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpbench.cohort.recipe_for import recipe_for
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.images.volume import write_map

# zooms (mm), angles (degrees), shape of the file's grid
GEOMETRIES = {
    "same voxels": ((2, 2, 2), (0, 0, 0), (22, 26, 20)),
    "anisotropic": ((1.0, 1.2, 3.0), (0, 0, 0), (44, 42, 14)),
    "coarse": ((3, 4, 3), (0, 0, 5), (15, 13, 14)),
}


@pytest.fixture
def cohort_of(affine_of, linear, ball):
    def made(folder, geometries, **options):
        subjects = []
        for number, geometry in enumerate(geometries):
            affine, shape = affine_of(*geometry, **options)
            image, mask = folder / f"{number}.nii.gz", folder / f"mask_{number}.nii.gz"
            write_map(image, linear(affine, shape), affine=affine)
            write_map(mask, ball(affine, shape).astype(np.float32), affine=affine)
            subjects.append(Subject(f"{number}", image, 50.0, mask=mask))
        return subjects

    return made


def test_a_cohort_on_one_grid_gets_one_box_that_needs_no_interpolation(tmp_path, cohort_of):
    subjects = cohort_of(tmp_path, [GEOMETRIES["same voxels"]] * 3, codes="LAS")
    chosen = recipe_for(subjects, shape=(18, 19, 17))
    assert chosen.voxel_size == 2.0 and chosen.centre == pytest.approx((3, -8, 5), abs=1.0)
    prepared = chosen.prepare(subjects[0])
    importance = torch.randn(18, 19, 17)
    assert torch.equal(prepared.to_network_grid(prepared.to_source_grid(importance)), importance)
    assert np.allclose(prepared.affine, chosen.prepare(subjects[1]).affine)


def test_a_cohort_on_several_grids_gets_a_box_around_each_brain_at_the_median_voxel(tmp_path, cohort_of):
    subjects = cohort_of(tmp_path, [GEOMETRIES["same voxels"], GEOMETRIES["anisotropic"], GEOMETRIES["coarse"]])
    chosen = recipe_for(subjects)
    assert chosen.centre is None and chosen.voxel_size == 2.0 and chosen.shape == (70, 88, 70)
    assert recipe_for(subjects, voxel_size=4.0).shape == (35, 44, 35)


def test_an_image_that_cannot_be_read_does_not_spoil_the_choice(tmp_path, cohort_of):
    subjects = cohort_of(tmp_path, [GEOMETRIES["same voxels"]] * 3)
    wanted = recipe_for(subjects)
    subjects[1].image.write_bytes(b"damaged")
    assert recipe_for(subjects) == wanted
    with pytest.raises(InputError, match=r"1\.nii\.gz"):
        recipe_for(subjects[1:2])
    with pytest.raises(InputError, match="without subjects"):
        recipe_for([])
