"""What is read of one subject: who is another now is made again, and nobody else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np
import pytest

from interpbench.run.identity import READS_OF_SUBJECT


def change_mask(world: Any) -> None:
    image = nibabel.load(world.root / "cohort" / "00.nii.gz")
    mask = (np.asarray(image.dataobj) != 0).astype(np.uint8)
    mask[6] = 0
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), world.root / "cohort" / "mask.nii.gz")


SUBJECT_CHANGES: dict[str, Callable[[Any], None]] = {
    "image_sha256": lambda world: world.change_image(),
    "mask_sha256": change_mask,
    "truth_sha256": lambda world: world.turn_image("cohort/own.nii.gz"),
    "distractors_sha256": lambda world: world.turn_image("cohort/apart.nii.gz"),
    "age": lambda world: world.change_table("41.667", "43.5"),
    "target": lambda world: world.change_table("41.667", "43.5"),
}


@pytest.mark.parametrize(
    ("step", "entry"),
    [
        pytest.param(step, one, marks=[pytest.mark.slow] * (step == "benchmark"))
        for step, some in READS_OF_SUBJECT.items()
        for one in some
    ],
)
def test_one_subject_who_is_another_now_is_made_again_and_nobody_else(world: Any, step: str, entry: str) -> None:
    cohort = world.root / "cohort"
    change_mask(world)
    (cohort / "mask.nii.gz").rename(cohort / "other.nii.gz")
    shutil.copy(cohort / "other.nii.gz", cohort / "mask.nii.gz")
    for name in ("own", "apart"):
        shutil.copy(world.root / "truth.nii.gz", cohort / f"{name}.nii.gz")
    world.turn_image("cohort/mask.nii.gz")
    rows = (cohort / "participants.tsv").read_text().splitlines()
    first = "mask.nii.gz\town.nii.gz\tapart.nii.gz"
    more = ["mask\ttruth\tdistractors", first, *["n/a\tn/a\tn/a"] * (len(rows) - 2)]
    (cohort / "participants.tsv").write_text("\n".join(map("\t".join, zip(rows, more, strict=True))) + "\n")
    world.given["explain"] = {"method": "shade", "device": "cpu"}
    world.given["benchmark"] |= {"methods": ["shade"], "truth": None, "refit_subjects": 1, "options": {}}
    world.given[step]["participants"] = ["00", "03"]
    world.patch.setattr("interpbench.pipeline.benchmarking.participants.drawn", lambda some, number, seed: [])
    place = world.run(step)
    product = "*_importance.json" if step == "explain" else "*_measures.json"
    before = {path.parent.name: path.stat().st_mtime_ns for path in place.glob(f"sub-*/{product}")}
    SUBJECT_CHANGES[entry](world)
    world.run(step)
    after = {path.parent.name: path.stat().st_mtime_ns for path in place.glob(f"sub-*/{product}")}
    assert {name for name in before if before[name] != after[name]} == {"sub-00"} and len(after) == 2


@pytest.mark.slow
def test_a_floor_that_is_made_of_all_maps_is_measured_again_with_them(world: Any) -> None:
    world.given["benchmark"] |= {
        "methods": ["shade"],
        "measures": ["height"],
        "floors": True,
        "options": {},
        "repeats": 1,
        "blur": 0,
        "participants": ["00", "03"],
    }
    world.patch.setattr("interpbench.pipeline.benchmarking.participants.drawn", lambda some, number, seed: [])
    place = world.run("benchmark")
    before = (place / "measures.tsv").read_text()
    world.change_image("cohort/00.nii.gz")
    world.run("benchmark")
    resumed = (place / "measures.tsv").read_text()
    shutil.rmtree(place)
    world.run("benchmark")
    assert resumed == (place / "measures.tsv").read_text() != before


def test_a_map_that_is_made_again_for_a_changed_image_is_said(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.given["explain"] = {"method": "shade", "device": "cpu", "participants": ["00", "03"]}
    world.run("explain")
    world.change_image("cohort/00.nii.gz")
    with caplog.at_level("WARNING", logger="interpbench"):
        world.run("explain")
    assert "1 maps are made again, because their inputs changed: sub-00 (image)" in caplog.text


def test_a_scan_that_came_into_two_splits_is_said_beside_the_old_map(world: Any) -> None:
    world.given["explain"] = {"method": "shade", "device": "cpu", "participants": ["03"]}
    split = dict(line.split("\t")[::2] for line in (world.root / "model" / "split.tsv").read_text().splitlines()[1:])
    other = next(label.removeprefix("sub-") for label, part in split.items() if part != split["sub-03"])
    place = world.run("explain")
    shutil.copy(world.root / "cohort" / "03.nii.gz", world.root / "cohort" / f"{other}.nii.gz")
    world.run("explain")
    (sidecar,) = place.glob("sub-03/*_importance.json")
    assert "duplicate image" in json.loads(sidecar.read_text())["warning_kinds"]
