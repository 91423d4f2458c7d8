"""Every problem of a cohort's files in one list, before anything is computed."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from interpbench.cohort.check import check_cohort
from interpbench.cohort.subjects import read_cohort

SHAPE = (6, 7, 8)


def image(path, data=None, affine=None):
    data = np.random.default_rng(0).normal(size=SHAPE) if data is None else data
    nib.Nifti1Image(np.asarray(data, dtype=np.float32), np.eye(4) if affine is None else affine).to_filename(path)


@pytest.fixture
def cohort(tmp_path):
    holed = np.ones(SHAPE)
    holed[1, 2, 3] = np.nan
    image(tmp_path / "good.nii.gz")
    image(tmp_path / "four.nii.gz", np.random.default_rng(0).normal(size=(6, 7, 8, 2)))
    image(tmp_path / "nan.nii.gz", holed)
    image(tmp_path / "constant.nii.gz", np.zeros(SHAPE))
    image(tmp_path / "mask.nii.gz", np.random.default_rng(0).integers(0, 2, SHAPE))
    image(tmp_path / "shifted.nii.gz", np.random.default_rng(0).integers(0, 2, SHAPE), np.diag([2.0, 1, 1, 1]))
    (tmp_path / "cut.nii.gz").write_bytes((tmp_path / "good.nii.gz").read_bytes()[:-20])
    rows = [
        ("01", "50", "good", "mask"),
        ("02", "50", "four", "mask"),
        ("03", "50", "nan", "mask"),
        ("04", "old", "good", "mask"),
        ("05", "50", "constant", "mask"),
        ("06", "50", "good", "constant"),
        ("07", "50", "good", "shifted"),
        ("08", "50", "cut", "mask"),
    ]
    lines = [f"{label}\t{age}\t{file}.nii.gz\t{mask}.nii.gz" for label, age, file, mask in rows]
    (tmp_path / "participants.tsv").write_text("\n".join(["participant_id\tage\timage\tmask", *lines]) + "\n")
    return read_cohort(tmp_path)


def test_all_problems_are_found_in_the_order_of_the_table(cohort):
    found = check_cohort(cohort)
    assert [(problem.subject, problem.line) for problem in found] == [
        (f"sub-{number:02d}", number + 1) for number in (2, 3, 4, 5, 6, 7, 8)
    ]
    said = ["4D", "(1, 2, 3)", "'old'", "constant", "empty mask", "another grid", "truncated"]
    assert all(words in problem.message for words, problem in zip(said, found, strict=True))


def test_the_file_is_named_once(cohort):
    problems = [problem for problem in check_cohort(cohort) if problem.file]
    assert problems and all(str(problem).count(str(problem.file)) == 1 for problem in problems)


def test_a_doubt_about_a_mask_names_the_masks_file(tmp_path):
    image(tmp_path / "good.nii.gz")
    odd = np.zeros(SHAPE)
    odd[1:5, 1:6, 1:7] = np.random.default_rng(0).integers(1, 5, (4, 5, 6))
    odd[1, 2, 3] = np.nan
    image(tmp_path / "mask.nii.gz", odd)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\timage\tmask\n01\t50\tgood.nii.gz\tmask.nii.gz\n")
    told = [one for one in check_cohort(read_cohort(tmp_path), warnings=True) if "mask" in one.message]
    assert any("1 voxels are not finite" in one.message for one in told)
    assert len(told) >= 2
    assert {one.file for one in told} == {tmp_path / "mask.nii.gz"}


def test_headers_alone_find_what_headers_tell(cohort):
    assert [problem.subject for problem in check_cohort(cohort, voxels=False)] == ["sub-02", "sub-04"]
