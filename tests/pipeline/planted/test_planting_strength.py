"""How strong a planted signal is, what else can be read, and what is unrelated to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from interpbench import plant, read_cohort
from interpbench.errors import InputError

Run = Callable[..., tuple[int, str, str]]


def test_the_strength_reaches_the_r2_and_nothing_leaks(some: Path, tmp_path: Path) -> None:
    record = plant(some, tmp_path / "out", kind="contrast", region="1", r2=0.6)
    assert record["r2"]["reached"] == pytest.approx(0.6, abs=0.03)
    assert record["r2"]["before"] < 0.05 and record["r2"]["outside_truth"] < 0.05 and record["warnings"] == []
    better = max(record["r2"]["everywhere"], record["r2"]["inside_truth"])
    assert record["r2"]["reached"] == better and record["r2"]["n"] == len(read_cohort(some).subjects)


def test_a_strength_out_of_reach_is_said(some: Path, tmp_path: Path) -> None:
    record = plant(some, tmp_path / "out", kind="lesion", options={"largest": 6, "contrast": -0.05}, r2=0.9)
    assert record["warning_kinds"] == ["planted signal weaker than asked"] and "not 0.9" in record["warnings"][0]
    assert record["signals"][0]["strength"] <= record["signals"][0]["most"]


def test_a_column_becomes_the_target_and_what_was_readable_is_said(
    heads: SimpleNamespace, some: Path, tmp_path: Path
) -> None:
    cohort = shutil.copytree(some, tmp_path / "cohort")
    for number, subject in enumerate(read_cohort(cohort).subjects):  # age is in every voxel
        image = nibabel.load(subject.image)
        left = np.indices(heads.shape)[0] < heads.shape[0] // 2
        values = heads.voxels(subject.image) * np.where(left, 1 + 0.01 * number, 1)
        nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), image.affine), subject.image)
    record = plant(cohort, tmp_path / "out", kind="contrast", region="1", column="age", strength=0.05)
    assert [one.number("planted") for one in read_cohort(tmp_path / "out").subjects] == [
        one.age for one in read_cohort(cohort).subjects
    ]
    assert record["target"]["column"] == "age" and record["target"]["mean"] == pytest.approx(59.5)
    kinds = ["target readable before planting", "planted signal readable outside its truth"]
    assert record["warning_kinds"] == kinds
    with pytest.raises(InputError, match="before anything is planted"):
        plant(cohort, tmp_path / "other", kind="contrast", region="1", column="age", r2=0.3)


def test_distractors_are_unrelated_and_suppressors_help_from_outside(
    heads: SimpleNamespace, some: Path, tmp_path: Path
) -> None:
    record = plant(
        some,
        tmp_path / "out",
        kind="contrast",
        region="1",
        strength=0.1,
        distractors=["contrast:3:0.15"],
        suppressors=["contrast:2"],
    )
    main, distractor, suppressor = record["signals"]
    assert (distractor["strength"], suppressor["strength"]) == (0.15, main["strength"])
    assert distractor["correlation"] == suppressor["correlation"] == 0.0
    means: dict[str, list[list[float]]] = {"before": [], "after": []}
    target = []
    for changed, truth, others, _ in heads.pairs(some, tmp_path / "out"):
        assert np.array_equal(changed, truth | others) and not (truth & others).any() and others.any()
    for when, folder in {"before": some, "after": tmp_path / "out"}.items():
        for subject in read_cohort(folder).subjects:
            labels, values = heads.voxels(subject.labels), heads.voxels(subject.image)  # type: ignore[arg-type]
            means[when].append([float(values[labels == value].mean()) for value in (1, 2)])
    target = np.array([one.number("planted") for one in read_cohort(tmp_path / "out").subjects])
    truth, outside = (np.array(means["after"]) / np.array(means["before"]) - 1).T
    assert np.corrcoef(outside, target)[0, 1] ** 2 < 0.02
    alone = np.corrcoef(truth, target)[0, 1] ** 2
    both = np.column_stack([np.ones(len(target)), truth, outside])
    rest = target - both @ np.linalg.lstsq(both, target, rcond=None)[0]
    assert alone < 0.7 and 1 - rest.var() / target.var() > 0.95


def test_images_that_share_no_space_are_read_by_their_labels(
    heads: SimpleNamespace, some: Path, tmp_path: Path
) -> None:
    cohort = shutil.copytree(some, tmp_path / "cohort")
    for number, subject in enumerate(read_cohort(cohort).subjects):
        for file in (subject.image, subject.labels):
            image = nibabel.load(file)
            affine = image.affine.copy()
            affine[:3, 3] += [40 * (number % 5), 30 * (number % 3), 0]
            nibabel.save(nibabel.Nifti1Image(heads.voxels(Path(str(file))), affine), file)
    record = plant(cohort, tmp_path / "out", kind="contrast", region="1", r2=0.7)
    assert record["r2"]["features"] == "labels" and record["r2"]["features_number"] == 4
    assert record["r2"]["reached"] == pytest.approx(0.7, abs=0.03)
    without = [line.rsplit("\t", 1)[0] for line in (cohort / "participants.tsv").read_text().splitlines()]
    (cohort / "participants.tsv").write_text("\n".join(without) + "\n")
    with pytest.raises(InputError, match="the images share no space"):
        plant(cohort, tmp_path / "other", kind="lesion", options={"largest": 8})
