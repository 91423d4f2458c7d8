"""`check` tells every problem in one table, and ends as a run would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    shutil.copytree(toy_cohort, tmp_path / "cohort")
    return tmp_path / "cohort"


def rows(text: str) -> list[list[str]]:
    return [line.split(None, 4) for line in text.splitlines()]


def test_a_sound_cohort_ends_in_0(cohort: Path, run: Run) -> None:
    code, told, _ = run("check", cohort)
    assert code == 0
    assert told.strip().endswith("40 subjects can be used; no problems")


def test_some_problems_end_in_4_and_are_a_table(cohort: Path, tmp_path: Path, run: Run) -> None:
    (cohort / "03.nii.gz").write_bytes((cohort / "03.nii.gz").read_bytes()[:200])
    with (cohort / "participants.tsv").open("a") as table:
        table.write("sub-98\told\t04.nii.gz\nsub-99\t50\tnone.nii.gz\n")
    code, told, line = run("check", cohort, "--json", tmp_path / "problems.json")
    assert code == 4
    assert line.count("\n") == 1 and "40" not in line and "39 subjects can be used, 3 cannot" in line
    header, *found = rows(told)
    assert header == ["level", "participant_id", "line", "file", "message"]
    assert [(row[0], row[1]) for row in found] == [("problem", f"sub-{label}") for label in ("03", "98", "99")]
    written = json.loads((tmp_path / "problems.json").read_text())
    assert [row["participant_id"] for row in written["problems"]] == ["sub-03", "sub-98", "sub-99"]
    assert written["subjects"] == 40


def test_where_nobody_is_left_it_ends_in_3(cohort: Path, run: Run) -> None:
    for path in cohort.glob("*.nii.gz"):
        path.write_bytes(b"")
    code, _, line = run("check", cohort)
    assert code == 3 and "0 subjects can be used, 40 cannot" in line


def test_warnings_are_told_and_end_in_0(cohort: Path, run: Run) -> None:
    image = nibabel.load(cohort / "05.nii.gz")
    header = image.header.copy()
    header.set_sform(image.affine, code=0)
    header.set_qform(image.affine, code=0)
    nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), None, header).to_filename(cohort / "05.nii.gz")
    code, told, _ = run("check", cohort, "--headers-only")
    (row,) = rows(told)[1:-1]
    assert code == 0 and row[:2] == ["warning", "sub-05"] and "a default was used" in row[4]


def test_a_predictor_tells_who_lies_where_its_training_was_not(cohort: Path, toy_model: Path, run: Run) -> None:
    image = nibabel.load(cohort / "05.nii.gz")
    far = image.affine + np.array([[0, 0, 0, 400.0], [0] * 4, [0] * 4, [0] * 4])
    nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), far).to_filename(cohort / "05.nii.gz")
    code, told, _ = run("check", cohort, "--predictor", toy_model)
    found = rows(told)[1:-1]
    assert code == 0
    assert [row[1] for row in found] == ["sub-05"] and "400 mm off" in found[0][4]
    code, told, _ = run("check", cohort)
    assert code == 0 and len(rows(told)) == 1


def test_subjects_without_an_age_are_counted_and_no_problem(cohort: Path, run: Run) -> None:
    text = (cohort / "participants.tsv").read_text().splitlines()
    text[1] = "\t".join([text[1].split("\t")[0], "n/a", text[1].split("\t")[2]])
    (cohort / "participants.tsv").write_text("\n".join(text) + "\n")
    code, told, _ = run("check", cohort)
    assert code == 0 and "40 subjects can be used, 1 of them without an age" in told


def test_rules_for_images_are_heeded(cohort: Path, run: Run) -> None:
    assert run("check", cohort, "--max-voxels", 100)[0] == 3
    image = nibabel.load(cohort / "05.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[5, 5, 5] = np.inf
    nibabel.Nifti1Image(voxels, image.affine).to_filename(cohort / "05.nii.gz")
    assert run("check", cohort)[0] == 4
    code, told, _ = run("check", cohort, "--nan-to-zero")
    assert code == 0 and "replaced by 0" in told


def test_many_like_problems_are_one_line_and_all_of_them_in_the_json(cohort: Path, tmp_path: Path, run: Run) -> None:
    with (cohort / "participants.tsv").open("a") as table:
        for number in range(50):
            table.write(f"sub-x{number}\t50\tnone{number}.nii.gz\nsub-y{number}\told{number}\t04.nii.gz\n")
    code, told, line = run("check", cohort, "--json", tmp_path / "problems.json")
    assert code == 4 and "40 subjects can be used, 100 cannot" in line
    lines = told.splitlines()
    assert len(lines) == 3
    assert "sub-x0, sub-x1, sub-x2, ... (50 subjects)" in lines[1] and "does not exist" in lines[1]
    assert "sub-y0, sub-y1, sub-y2, ... (50 subjects)" in lines[2] and "'old0'" in lines[2]
    assert len(json.loads((tmp_path / "problems.json").read_text())["problems"]) == 100


def test_what_a_run_would_doubt_is_told_without_a_predictor_too(cohort: Path, tmp_path: Path, run: Run) -> None:
    for number in range(5):
        image = nibabel.load(cohort / f"0{number}.nii.gz")
        voxels = image.get_fdata(dtype=np.float32)
        voxels += np.random.default_rng(number).uniform(0, 200, voxels.shape)  # no background is left
        nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), image.affine), cohort / f"0{number}.nii.gz")
    shutil.copy(cohort / "10.nii.gz", cohort / "11.nii.gz")
    code, told, _ = run("check", cohort, "--json", tmp_path / "problems.json")
    lines = told.splitlines()
    assert code == 0 and lines[-1].endswith("40 subjects can be used; no problems, warnings about 7 subjects")
    assert len(lines) == 4
    assert "sub-00, sub-01, sub-02, ... (5 subjects)" in lines[1] and "no skull-stripping: no mask" in lines[1]
    assert "sub-10, sub-11 (2 subjects)" in lines[2] and "duplicate image" in lines[2]
    written = json.loads((tmp_path / "problems.json").read_text())["problems"]
    assert sorted(row["kind"] for row in written) == ["duplicate image"] * 2 + ["no skull-stripping"] * 5
