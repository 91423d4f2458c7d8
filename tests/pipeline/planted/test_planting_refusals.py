"""What cannot be planted is refused or excluded, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from interpbench import plant, read_cohort
from interpbench.errors import InputError, SubjectsFailed, UsageError

Run = Callable[..., tuple[int, str, str]]


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "an unknown kind": ({"kind": "noise"}, UsageError, "kind must be one of"),
    "no place": ({"kind": "contrast"}, UsageError, "needs a place"),
    "no such column": ({"column": "agee"}, InputError, "Did you mean 'age'"),
    "a column of words": ({"column": "sex"}, InputError, "no subject has a number"),
    "an R2 of 1": ({"r2": 1.0, "strength": None}, UsageError, "above 0 and below 1"),
    "an R2 of few": ({"strength": None}, InputError, "at least 20 are needed: give a strength"),
    "a strength of 0": ({"strength": 0.0}, UsageError, "strength must be a number above 0"),
    "too strong": ({"strength": 5.0}, UsageError, "at most 0.36"),
    "a region that nobody has": ({"region": "9"}, InputError, "no subject can be used. The first error: .*region 9"),
    "too many variables": ({"distractors": ["contrast:2"] * 2}, InputError, "4 subjects are too few"),
    "too weak": ({"strength": 1e-4}, InputError, "nothing was planted. The first error: .*below 2 %"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_one_line(case: str, few: Path, tmp_path: Path) -> None:
    changed, error, told = BAD[case]
    given = {"kind": "contrast", "region": None if case == "no place" else "1", "strength": 0.2, **changed}
    with pytest.raises(error, match=told) as raised:
        plant(few, tmp_path / "out", **given)
    assert "\n" not in str(raised.value)


def test_an_atlas_elsewhere_or_without_the_region_is_refused(heads: SimpleNamespace, few: Path, tmp_path: Path) -> None:
    far = heads.grid("RAS", 3.0, heads.shape)
    labels = heads.labels_on(far, heads.shape)
    far[:3, 3] += 500
    nibabel.save(nibabel.Nifti1Image(labels, far), tmp_path / "far.nii.gz")
    given: dict[str, Any] = {"kind": "contrast", "strength": 0.2, "atlas": tmp_path / "far.nii.gz"}
    with pytest.raises(InputError, match=r"far.nii.gz: none of its regions lies in the image .*do not overlap"):
        plant(few, tmp_path / "out", region="1", **given)
    with pytest.raises(UsageError, match="the atlas has no region 8"):
        plant(few, tmp_path / "other", region="8", **given)


def test_a_subject_without_the_region_is_excluded_and_named(heads: SimpleNamespace, tmp_path: Path, run: Run) -> None:
    cohort = heads.write(tmp_path / "cohort", 3)
    labels = nibabel.load(cohort / "s01_labels.nii.gz")
    without = np.where(heads.voxels(cohort / "s01_labels.nii.gz") == 1, 0, heads.voxels(cohort / "s01_labels.nii.gz"))
    nibabel.save(nibabel.Nifti1Image(without, labels.affine), cohort / "s01_labels.nii.gz")
    (cohort / "s02_labels.nii.gz").write_bytes(b"no image")
    with pytest.raises(SubjectsFailed, match="2 of 3 subjects failed"):
        plant(cohort, tmp_path / "out", kind="contrast", region="1", strength=0.2)
    listed = (tmp_path / "out/failures.tsv").read_text()
    assert "sub-s01" in listed and "region 1 has only 0 voxels" in listed and "sub-s02" in listed
    assert [one.id for one in read_cohort(tmp_path / "out").subjects] == ["s00"]
    words = ["plant", cohort, "--kind", "contrast", "--region", "1", "--strength", "0.2", "--out", tmp_path / "out"]
    code, out, err = run(*words)
    assert code == 4 and "2 of 3 subjects failed" in err and "Traceback" not in out + err


def test_the_command_says_what_was_planted(few: Path, tmp_path: Path, run: Run) -> None:
    words = ["--kind", "lesion", "-o", "largest=8", "--strength", "0.1", "--seed", "3", "--out", tmp_path / "out"]
    code, out, err = run("plant", few, *words)
    assert (code, err) == (0, "") and "4 subjects written" in out and "R2 cannot be estimated from 4 subjects" in out
    code, _, err = run("plant", few, *words[:-1], tmp_path / "new", "-o", "contrast=7")
    assert code == 2 and err.count("\n") == 1 and "at most 2" in err
