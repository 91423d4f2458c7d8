"""One cohort explained by several jobs: the same maps, the same population, whoever made which and in what order."""

from __future__ import annotations

import json
import random
import shutil
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, aggregate, explain, option
from interpbench.errors import ConflictError, SubjectsFailed, UsageError

SHARDS = (1, 2, 3, 7)


@dataclass(frozen=True, kw_only=True)
class Scaled(Explainer):
    """A map that depends on an option and on the subject's seed."""

    gain: float = option(1.0, "factor")
    seed: int = option(0, "of the noise", minimum=0)

    def explain(self, predictor, volumes):
        noise = torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))
        return self.gain * volumes[:, 0].abs() * (1 + noise)


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("explainer", "scaled", Scaled)


@pytest.fixture
def job(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    def one(shard: str | None = None, out: str = "maps", cohort: Path = toy_cohort, **settings) -> list[Path]:
        given = {"method": "scaled", "split": None, "device": "cpu", **settings}
        return explain(cohort, toy_model, tmp_path / out, shard=shard, **given)

    return one


@pytest.fixture
def broken_cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    """Images 05 and 08 are cut short, 11 holds a NaN, and one row has no image."""
    cohort = tmp_path / "cohort"
    shutil.copytree(toy_cohort, cohort)
    for label in ("05", "08"):
        (cohort / f"{label}.nii.gz").write_bytes((cohort / f"{label}.nii.gz").read_bytes()[:300])
    image = nibabel.load(cohort / "11.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[5, 6, 4] = np.nan
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine, image.header), cohort / "11.nii.gz")
    with (cohort / "participants.tsv").open("a") as table:
        table.write("sub-99\t50\tnone.nii.gz\n")
    return cohort


TOLD = ("manifest.json", "inputs.tsv")  # when it was made, and from which folder


def contents(folder: Path, pattern: str = "**/*") -> dict[str, bytes]:
    files = (path for path in folder.glob(pattern) if path.is_file() and path.name not in TOLD)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def failed(folder: Path) -> list[str]:
    return [line.split("\t")[0] for line in (folder / "failures.tsv").read_text().splitlines()[1:]]


@pytest.mark.slow
def test_maps_and_population_are_the_same_bytes_for_any_number_of_shards_in_any_order(job, tmp_path: Path) -> None:
    expected: dict[str, bytes] = {}
    for number in SHARDS:
        out = f"maps{number}"
        order = random.Random(number).sample(range(number), number)
        made = [path for index in order for path in job(f"{index}/{number}", out)]
        assert len(made) == len(set(made)) == 40
        aggregate(tmp_path / out, tmp_path / f"population{number}")
        found = {**contents(tmp_path / out), **contents(tmp_path / f"population{number}")}
        expected = expected or found
        assert found == expected


def test_a_shard_has_every_nth_subject_of_those_asked_for(job) -> None:
    labels = [path.parent.name for path in job("1/3", participants=["09", "07", "08", "12", "10"])]
    assert labels == ["sub-08", "sub-12"]


def test_a_shard_without_anybody_is_done_at_once(job) -> None:
    assert job("4/5", participants=["07"]) == []


def test_auto_takes_the_share_from_the_environment(job, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="SLURM_ARRAY_TASK_ID"):
        job("auto", participants=["07", "08", "09"])
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")
    assert [path.parent.name for path in job("auto", participants=["07", "08", "09"])] == ["sub-09"]


@pytest.mark.slow
def test_failures_of_all_shards_are_in_one_list_and_bad_rows_are_told_once(
    job, broken_cohort: Path, tmp_path: Path
) -> None:
    for shard, number in (("1/2", 20), ("0/2", 21)):  # 05 and 11 are of one, 08 and the bad row of the other
        with pytest.raises(SubjectsFailed, match=f"2 of {number} subjects"):
            job(shard, cohort=broken_cohort)
    assert failed(tmp_path / "maps") == ["sub-05", "sub-08", "sub-11", "sub-99"]
    with pytest.raises(SubjectsFailed):
        job(None, "whole", broken_cohort)
    assert failed(tmp_path / "whole") == ["sub-99", "sub-05", "sub-08", "sub-11"]


@pytest.mark.slow
def test_a_mended_subject_leaves_the_list_and_others_stay(job, broken_cohort: Path, toy_cohort: Path, tmp_path) -> None:
    for index in range(2):
        with pytest.raises(SubjectsFailed):
            job(f"{index}/2", cohort=broken_cohort)
    shutil.copy(toy_cohort / "08.nii.gz", broken_cohort / "08.nii.gz")
    with pytest.raises(SubjectsFailed, match="sub-99"):
        job("0/2", cohort=broken_cohort)
    assert failed(tmp_path / "maps") == ["sub-05", "sub-11", "sub-99"]


def test_voxels_that_are_no_numbers_can_be_taken_as_zero_and_the_sidecar_says_so(
    job, broken_cohort: Path, toy_cohort: Path
) -> None:
    with pytest.raises(SubjectsFailed, match=r"1 voxels are not finite, the first at index \(5, 6, 4\)"):
        job(None, cohort=broken_cohort, participants=["10", "11"])
    paths = job(None, cohort=broken_cohort, participants=["10", "11"], images={"nan_to_zero": True})
    records = [json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text()) for path in paths]
    assert not any("replaced by 0" in words for words in records[0]["warnings"])
    assert any("replaced by 0" in words for words in records[1]["warnings"])


def test_images_above_a_size_are_refused_and_no_rule_is_guessed(job) -> None:
    with pytest.raises(SubjectsFailed, match="at most 1000 are read"):
        job(None, participants=["10"], images={"max_voxels": 1000})
    with pytest.raises(UsageError, match="Did you mean 'max_voxels'"):
        job(None, images={"max_voxel": 1000})
    with pytest.raises(UsageError, match="at least 1"):
        job(None, images={"max_voxels": 0})


def test_fail_fast_ends_with_the_first_failure(job, broken_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SubjectsFailed):
        job("1/2", cohort=broken_cohort, fail_fast=True)  # 01, 03, 05, ...
    assert failed(tmp_path / "maps") == ["sub-05"]
    assert sorted(path.name for path in (tmp_path / "maps").glob("sub-*")) == ["sub-01", "sub-03"]
    with pytest.raises(SubjectsFailed):
        job(None, "other", cohort=broken_cohort, fail_fast=True)
    assert failed(tmp_path / "other") == ["sub-99"]
    assert not list((tmp_path / "other").glob("sub-*"))


def test_a_changed_option_makes_every_map_anew_and_is_said_once(
    job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = ["07", "08"]
    before = [path.read_bytes() for path in job(participants=labels)]
    with caplog.at_level("WARNING", "interpbench"):
        after = job(participants=["07"], options={"gain": 2.0})
    assert [words for words in caplog.messages if "computed again" in words] == [
        words for words in caplog.messages if "options.gain is 1.0 in that run and 2.0 in this one" in words
    ]
    assert len([words for words in caplog.messages if "computed again" in words]) == 1
    assert after[0].read_bytes() != before[0]
    with pytest.raises(SubjectsFailed, match="earlier run"):  # sub-08 is still the first run's
        aggregate(tmp_path / "maps", tmp_path / "population")
    assert json.loads((tmp_path / "population" / "population.json").read_text())["n"] == 1
    job(participants=labels, options={"gain": 2.0})
    assert aggregate(tmp_path / "maps", tmp_path / "population")["n"] == 2


def test_another_method_keeps_its_folder(job) -> None:
    job(participants=["07"])
    with pytest.raises(ConflictError, match="method is"):
        job(participants=["07"], method="saliency")
