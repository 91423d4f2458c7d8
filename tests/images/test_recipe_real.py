"""Real images keep their places and values on the way to the network's grid and back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, center_of_mass

from interpbench.cohort.recipe_for import recipe_for
from interpbench.cohort.subjects import read_cohort
from interpbench.images.brain import foreground_of, read_mask
from interpbench.images.volume import read_volume, write_map


def data_folder(name):
    root = os.environ.get("INTERPBENCH_DATA")
    if not root:
        pytest.skip("INTERPBENCH_DATA is not set: it names the folder of real images")
    return Path(root) / name


def test_real_registered_children_keep_every_bit():
    subjects = read_cohort(data_folder("pixar")).subjects
    chosen = recipe_for(subjects)
    assert chosen.shape == (70, 88, 70) and chosen.voxel_size == 2.0 and chosen.centre is not None
    for subject in subjects[::31]:
        prepared = chosen.prepare(subject)
        volume = prepared.source
        inside = read_mask(subject.mask, volume)[0]
        assert int(prepared.brain.sum()) > 0.97 * int(inside.sum())
        assert torch.equal(prepared.to_network_grid(inside) > 0, prepared.brain)
        raw = prepared.to_network_grid(volume.data[0])[prepared.brain].double()
        wanted = (raw - raw.mean()) / raw.std(correction=0)
        assert torch.allclose(prepared.volume[0][prepared.brain].double(), wanted, atol=1e-5)
        importance = torch.where(prepared.brain, torch.randn(chosen.shape), 0.0)
        assert torch.equal(prepared.to_network_grid(prepared.to_source_grid(importance)), importance)
        assert not any("around this brain" in warning for warning in prepared.warnings)


@pytest.mark.slow
def test_real_native_adults_come_back_onto_their_own_grids(tmp_path):
    children = recipe_for(read_cohort(data_folder("pixar")).subjects)
    for subject in read_cohort(data_folder("ixi")).subjects:
        prepared = children.prepare(subject)
        source = prepared.source
        assert any("around this brain" in warning for warning in prepared.warnings)
        back = prepared.to_source_grid(prepared.volume[0])
        assert back.shape == (256, 256, 150)
        head = foreground_of(source)[0].numpy()
        core = binary_erosion(head, iterations=3)
        assert np.corrcoef(back[core], source.data[0].numpy()[core])[0, 1] > 0.85
        found, there = center_of_mass(prepared.to_source_grid(prepared.brain.float())), center_of_mass(head)
        assert np.abs(np.subtract(found, there)).max() < 0.5
        write_map(tmp_path / "map.nii.gz", back, like=source)
        assert np.allclose(read_volume(tmp_path / "map.nii.gz").affine, source.affine, atol=1e-4)
