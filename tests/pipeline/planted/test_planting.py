"""`plant` writes an ordinary cohort whose truth is exact, the same bytes for a seed, and continues."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from interpbench import benchmark, explain, plant, read_cohort, train, verify, write_phantom
from interpbench.cohort.check import check_cohort
from interpbench.errors import ConflictError, InputError

Run = Callable[..., tuple[int, str, str]]


WAYS = {
    "contrast": {"kind": "contrast", "strength": 0.2},
    "atrophy": {"kind": "atrophy", "strength": 0.5},
    "fluid": {"kind": "atrophy", "strength": 0.4, "options": {"filled_by": "fluid"}},
    "lesion": {"kind": "lesion", "strength": 0.1, "options": {"largest": 8.0}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("codes", "own", "voxel"), [("RAS", "RAS", 3.0), ("LAS", "PSR", 1.5), ("PSR", "LAS", 2.0)])
def test_images_differ_exactly_in_the_truth(
    heads: SimpleNamespace, way: str, codes: str, own: str, voxel: float, tmp_path: Path
) -> None:
    cohort = heads.write(tmp_path / "cohort", 2, codes=codes, own=own, voxel=voxel)
    plant(cohort, tmp_path / "out", region="1", **WAYS[way])
    for changed, truth, _, graded in heads.pairs(cohort, tmp_path / "out"):
        assert np.array_equal(changed, truth) and truth.sum() >= 8
        assert graded.dtype == np.float32 and (graded[truth] > 0).mean() > 0.5
    source, made = (
        nibabel.load(folder) for folder in (cohort / "s00.nii.gz", tmp_path / "out/sub-s00/anat/sub-s00_T1w.nii.gz")
    )
    assert np.allclose(source.affine, made.affine) and made.get_data_dtype() == np.float32
    assert [int(made.header[name]) for name in ("sform_code", "qform_code", "xyzt_units")] == [
        int(source.header[name]) for name in ("sform_code", "qform_code", "xyzt_units")
    ]


def test_a_region_lies_in_the_same_place_by_labels_atlas_and_sphere(
    heads: SimpleNamespace, few: Path, tmp_path: Path
) -> None:
    shutil.copy(few / "s00_labels.nii.gz", tmp_path / "atlas.nii.gz")
    for name, given in {
        "labels": {"region": [2]},
        "atlas": {"region": "2", "atlas": tmp_path / "atlas.nii.gz"},
        "sphere": {"spheres": [(*heads.places[2], 6.5)]},
    }.items():
        plant(few, tmp_path / name, kind="contrast", strength=0.2, **given)
        for _, truth, _, _ in heads.pairs(few, tmp_path / name):
            middle = heads.world(heads.grid("RAS", 3.0, heads.shape), heads.shape)[:, truth].mean(axis=1)
            np.testing.assert_allclose(middle, heads.places[2], atol=1.6)


def test_the_output_is_an_ordinary_cohort(few: Path, tmp_path: Path) -> None:
    record = plant(few, tmp_path / "out", kind="contrast", region="1", strength=0.2)
    before, after = read_cohort(few), read_cohort(tmp_path / "out")
    assert not after.problems and len(after.subjects) == record["n"] == 4
    for old, new in zip(before.subjects, after.subjects, strict=True):
        assert (new.id, new.age, new.sex) == (old.id, old.age, old.sex)
        assert new.labels is not None and old.labels is not None and new.labels.samefile(old.labels)
        assert abs(new.number("planted")) <= 2.5
    assert "standard normal" in json.loads((tmp_path / "out/participants.json").read_text())["planted"]["Description"]
    assert [str(one) for one in check_cohort(after) if not one.warning] == []
    assert record["r2"] is None and "at least 20" in record["r2_unknown"]
    assert verify(tmp_path / "out").misfits == ()


def test_the_same_seed_gives_the_same_bytes_in_any_order_and_another_does_not(
    heads: SimpleNamespace, few: Path, tmp_path: Path
) -> None:
    turned = shutil.copytree(few, tmp_path / "turned")
    head, *rows = (turned / "participants.tsv").read_text().splitlines()
    (turned / "participants.tsv").write_text("\n".join([head, *rows[::-1]]) + "\n")
    found = {}
    for name, (cohort, seed) in {"a": (few, 1), "b": (few, 1), "turned": (turned, 1), "c": (few, 2)}.items():
        plant(cohort, tmp_path / f"out-{name}", kind="lesion", strength=0.1, options={"largest": 8}, seed=seed)
        found[name] = heads.images(tmp_path / f"out-{name}")
    assert found["a"] == found["b"] == found["turned"]
    assert all(found["a"][name] != found["c"][name] for name in found["a"])


def test_the_same_command_continues_and_another_is_refused(heads: SimpleNamespace, few: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"kind": "contrast", "region": "1", "strength": 0.2}
    first = plant(few, tmp_path / "out", **given)
    before = heads.images(tmp_path / "out")
    for name in ("plant.json", "sub-s01/anat/sub-s01_T1w.nii.gz"):
        (tmp_path / "out" / name).unlink()
    kept = (tmp_path / "out/sub-s00/anat/sub-s00_T1w.nii.gz").stat().st_ino
    assert plant(few, tmp_path / "out", **given) == first and heads.images(tmp_path / "out") == before
    assert (tmp_path / "out/sub-s00/anat/sub-s00_T1w.nii.gz").stat().st_ino == kept
    assert plant(few, tmp_path / "out", **given) == first
    with pytest.raises(ConflictError, match="another run"):
        plant(few, tmp_path / "out", **{**given, "strength": 0.3})


def test_a_run_that_could_not_choose_its_strength_makes_room_for_one_that_is_given_it(
    few: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match="give a strength"):
        plant(few, tmp_path / "out", kind="contrast", region="1")
    assert plant(few, tmp_path / "out", kind="contrast", region="1", strength=0.2)["n"] == 4
    assert "computed again" in caplog.text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_network_learns_what_was_planted_and_its_maps_are_compared_with_the_truth(tmp_path: Path) -> None:
    write_phantom(tmp_path / "phantom", subjects=80, voxel_size=8.0)
    record = plant(tmp_path / "phantom", tmp_path / "out", kind="contrast", spheres=["0,20,20,22"], r2=0.9)
    assert record["r2"]["reached"] == pytest.approx(0.9, abs=0.03)
    settings: dict[str, Any] = {"epochs": 12, "learning_rate": 1e-2, "device": "cpu"}
    options = {"width": 4, "first_stride": 2, "schedule": "onecycle"}
    model = train(tmp_path / "out", tmp_path / "model", target="planted", unit="SD", options=options, **settings)
    test = model["metrics"]["test"]
    assert test["mae"] < 0.8 * test["mean_predictor_mae"]
    explain(tmp_path / "out", tmp_path / "model", tmp_path / "maps", method="saliency", device="cpu")
    found = benchmark(
        tmp_path / "out",
        tmp_path / "model",
        tmp_path / "bench",
        methods=["saliency"],
        measures=["localisation"],
        maps=[tmp_path / "maps"],
        subjects=4,
        processes=1,
        device="cpu",
    )
    rows = (tmp_path / "bench" / "measures.tsv").read_text()
    assert found["n"] == 4 and "saliency" in rows and "auc" in rows
