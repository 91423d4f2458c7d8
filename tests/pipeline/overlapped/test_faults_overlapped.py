"""What fails while it is read ahead and written behind: told in the subjects' order, and nothing half is left."""

from __future__ import annotations

import csv
import gc
import weakref
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, aggregate, predict
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.errors import InputError, PluginError, ResourceError, SubjectsFailed
from interpbench.files import hashes
from interpbench.images.recipe import Recipe
from interpbench.maps import files as map_files

PEOPLE = [f"{number:02d}" for number in range(12)]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_failures_are_told_in_the_subjects_order(
    run, own_cohort: Path, tmp_path: Path, batch_size: int, contents: Any, failures: Any
) -> None:
    for label in ("03", "04", "09"):
        (own_cohort / f"{label}.nii.gz").write_bytes(b"no image")
    for number in (0, 3):
        with pytest.raises(SubjectsFailed):
            run("moody", f"ahead-{number}", own_cohort, ahead=number, batch_size=batch_size)
    found = failures(tmp_path / "ahead-3")
    assert found == failures(tmp_path / "ahead-0")
    labels = [row["participant_id"] for row in found]
    assert labels == sorted(labels) and {"sub-03", "sub-04", "sub-09"} < set(labels)
    assert contents(tmp_path / "ahead-0") == contents(tmp_path / "ahead-3")


@pytest.mark.parametrize("number", [0, 2])
def test_a_full_disk_stops_the_run(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, brightness: type[Explainer], contents: Any
) -> None:
    write, written = map_files.write_map, []

    def fills_up(path, *arguments, **settings):
        if len(written) >= 2:
            raise ResourceError(f"{path}: not written, the disk or the quota is full.")
        written.append(path)
        write(path, *arguments, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(map_files, "write_map", fills_up)
        with pytest.raises(ResourceError, match="the disk or the quota is full"):
            run("brightness", ahead=number)
    assert len(brightness.threads) <= 3 + number
    assert len(contents(tmp_path / "maps")) == 4  # two maps and their sidecars, and nothing half
    assert len(run("brightness", ahead=number)) == len(PEOPLE)


def test_a_fault_in_reading_comes_to_light_as_it_is(
    run, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
    prepare = Recipe.prepare

    def faulty(self, image, mask=None):
        if getattr(image, "id", "") == "05":
            raise TypeError("a bug")
        return prepare(self, image, mask)

    monkeypatch.setattr(Recipe, "prepare", faulty)
    with pytest.raises(TypeError, match="a bug"):
        run("brightness", ahead=2)
    assert len(brightness.threads) == 5


def test_what_was_explained_before_an_interruption_is_written_and_the_rest_later(run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("interrupted", ahead=2)
    names = sorted(file.name for file in (tmp_path / "maps").glob("sub-*/*"))
    assert [name[:6] for name in names] == ["sub-00"] * 2 + ["sub-01"] * 2
    assert not [name for name in names if ".tmp" in name]
    run("interrupted", ahead=2)
    run("brightness", "whole")
    maps = sorted((tmp_path / "maps").glob("*/*.nii.gz")), sorted((tmp_path / "whole").glob("*/*.nii.gz"))
    assert len(maps[0]) == len(PEOPLE)
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*maps, strict=True))


def test_subjects_that_fail_are_not_held_in_memory(
    run, own_cohort: Path, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
    alive: weakref.WeakSet = weakref.WeakSet()
    most, prepare = [], Recipe.prepare

    def counted(self, image, mask=None):
        prepared = prepare(self, image, mask)
        alive.add(prepared.volume)
        if getattr(image, "id", "") in ("02", "07"):
            raise InputError("refused at the last moment")
        return prepared

    class Fails(brightness):
        def explain(self, predictor, volumes):
            most.append(len(alive))
            raise ValueError("no such layer")

    monkeypatch.setattr(Recipe, "prepare", counted)
    monkeypatch.setattr("interpbench_toy_plugin.Brightness", Fails)
    gc.disable()  # it is not by luck that they are gone
    try:
        with pytest.raises((PluginError, SubjectsFailed)):
            run("brightness", ahead=2)
    finally:
        gc.enable()
    assert len(most) == len(PEOPLE) - 2
    assert max(most) <= 4


def test_an_image_that_changes_while_it_is_read_is_explained_again(
    run, own_cohort: Path, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
    prepare = Recipe.prepare

    def changes(self, image, mask=None):
        if getattr(image, "id", "") == "05":
            other = nibabel.load(own_cohort / "06.nii.gz")
            voxels = np.asarray(other.dataobj) * 1.01  # nobody else's bytes
            nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), other.affine), own_cohort / "05.nii.gz")
        return prepare(self, image, mask)

    with monkeypatch.context() as patched:
        patched.setattr(Recipe, "prepare", changes)
        patched.setattr(PreparedOnce, "first_volumes", lambda *_, **__: torch.empty(0, 1, 1, 1, 1))
        run("brightness", cohort=own_cohort)
    brightness.threads.clear()
    run("brightness", cohort=own_cohort)
    assert len(brightness.threads) == 1


def test_an_image_that_can_no_longer_be_read_is_told_as_that_subjects_failure(
    run, own_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("brightness", cohort=own_cohort)
    sha256_of = hashes.sha256_of

    def refuses(path):
        if Path(path).name == "05.nii.gz":
            raise PermissionError(13, "Permission denied", str(path))
        return sha256_of(path)

    monkeypatch.setattr(hashes, "sha256_of", refuses)
    with pytest.raises(SubjectsFailed, match=r"05\.nii\.gz: cannot be read \(Permission denied\)"):
        run("brightness", cohort=own_cohort)


@pytest.mark.slow
def test_maps_that_cannot_be_used_are_told_in_the_subjects_order(
    run, own_cohort: Path, tmp_path: Path, failures: Any
) -> None:
    run("brightness", cohort=own_cohort)
    (own_cohort / "08.nii.gz").unlink()
    (tmp_path / "maps/sub-02/sub-02_desc-brightness_importance.nii.gz").write_bytes(b"changed")
    with pytest.raises(SubjectsFailed):
        aggregate(tmp_path / "maps", tmp_path / "out", ahead=3)
    assert [row["participant_id"] for row in failures(tmp_path / "out")] == ["sub-02", "sub-08"]


def test_predictions_are_told_in_the_subjects_order_and_bad_images_by_name(
    own_cohort: Path, toy_model: Path, tmp_path: Path
) -> None:
    (own_cohort / "11.nii.gz").write_bytes(b"no image")
    with pytest.raises(SubjectsFailed, match="1 of 40 subjects failed"):
        predict(own_cohort, toy_model, tmp_path / "table.tsv", device="cpu")
    with (tmp_path / "table.tsv").open() as file:
        labels = [row["participant_id"] for row in csv.DictReader(file, delimiter="\t")]
    assert labels == [f"sub-{number:02d}" for number in range(40) if number != 11]
