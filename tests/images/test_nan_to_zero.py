"""Voxels that are no number are refused, or taken as 0 where that is asked for, with a warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np


def test_what_is_no_number_is_taken_as_0_where_that_is_asked_for(
    toy_cohort: Path, toy_model: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    image = nibabel.load(toy_cohort / "00.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[3, 5, 7] = np.nan
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), tmp_path / "x.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\timage\n01\tx.nii.gz\n")
    given = ["--predictor", toy_model, "--method", "saliency", "--split", "all", "--device", "cpu"]
    assert run("explain", tmp_path, *given, "--out", tmp_path / "derivatives" / "refused")[0] != 0
    assert run("explain", tmp_path, *given, "--nan-to-zero", "--out", tmp_path / "derivatives" / "maps")[0] == 0
    (path,) = (tmp_path / "derivatives" / "maps").glob("sub-01/*_importance.json")
    (warning,) = [one for one in json.loads(path.read_text())["warnings"] if "not finite" in one]
    assert "1 voxels are not finite, the first at index (3, 5, 7); replaced by 0" in warning
