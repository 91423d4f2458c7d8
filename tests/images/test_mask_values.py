"""Which values of a mask count as brain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpbench.images.brain import read_mask
from interpbench.images.volume import Volume, write_map


@pytest.mark.parametrize(("scale", "count"), [(1.0, 2), (255.0, 3), (0.4, 1)])
def test_a_mask_counts_from_a_half_or_from_not_zero_and_never_where_it_is_nan(tmp_path, scale, count):
    mask = np.zeros((2, 3, 4))
    mask[0, 0, :3] = (scale, scale if scale != 0.4 else 0.5, 0.4 * scale)
    mask[1, 2, 3] = np.nan
    write_map(tmp_path / "mask.nii", mask, affine=np.eye(4))
    image = Volume(torch.randn(1, 2, 3, 4), np.eye(4))
    inside, warnings = read_mask(tmp_path / "mask.nii", image)
    assert int(inside.sum()) == count and not inside[1, 2, 3] and warnings[0].startswith("mask: 1 voxel")
