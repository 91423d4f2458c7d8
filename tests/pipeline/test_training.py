"""`train`: what it writes, what it reports, and what it does with a cohort that is not quite right."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from interpbench import load_predictor, read_cohort, train
from interpbench.errors import ConflictError, InputError, SubjectsFailed, UsageError

QUICK = {"options": {"width": 2, "first_stride": 2}, "recipe": {"shape": (10, 12, 8)}, "epochs": 1, "device": "cpu"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_it_learns_and_says_so_beside_the_error_of_the_mean(toy_model: Path) -> None:
    test = json.loads((toy_model / "model.json").read_text())["metrics"]["test"]
    low, high = test["mae_interval"]
    assert test["n"] == 6
    assert low <= test["mae"] <= high
    assert test["mae"] < test["mean_predictor_mae"]


def test_the_error_of_the_mean_is_that_of_the_training_splits_mean(toy_model: Path) -> None:
    record = json.loads((toy_model / "model.json").read_text())
    ages = {
        part: [float(row["age"]) for row in rows(toy_model / "split.tsv") if row["split"] == part]
        for part in ("train", "test")
    }
    mean = np.mean(ages["train"])
    assert record["training_mean"] == pytest.approx(mean)
    error = np.abs(np.array(ages["test"]) - mean).mean()
    assert record["metrics"]["test"]["mean_predictor_mae"] == pytest.approx(error)
    assert record["training_age_range"] == [min(ages["train"]), max(ages["train"])]


def test_the_split_is_75_10_15_and_recorded(toy_model: Path) -> None:
    found = [row["split"] for row in rows(toy_model / "split.tsv")]
    assert [found.count(part) for part in ("train", "validation", "test")] == [30, 4, 6]


def test_the_test_splits_predictions_are_those_of_the_loaded_predictor(toy_model: Path, toy_cohort: Path) -> None:
    predictor = load_predictor(toy_model)
    subjects = {f"sub-{subject.id}": subject for subject in read_cohort(toy_cohort).subjects}
    table = rows(toy_model / "predictions.tsv")
    assert len(table) == 6
    for row in table:
        volume = predictor.recipe.prepare(subjects[row["participant_id"]]).volume
        with torch.no_grad():
            assert float(row["prediction"]) == pytest.approx(float(predictor.predict(volume[None])), abs=1e-4)


def test_the_curve_has_a_row_an_epoch_and_the_best_epoch_is_its_lowest(toy_model: Path) -> None:
    curve = rows(toy_model / "training.tsv")
    scores = [float(row["validation_mae"]) for row in curve]
    metrics = json.loads((toy_model / "model.json").read_text())["metrics"]
    assert len(curve) == 12
    assert metrics["best_epoch"] == 1 + scores.index(min(scores))
    assert metrics["validation"] == {"n": 4, "mae": pytest.approx(min(scores))}


def test_one_seed_gives_the_same_bytes(toy_cohort: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    for name in ("first", "second"):
        train(toy_cohort, tmp_path / name, **QUICK, seed=3)
    for file in ("model.safetensors", "model.json", "training.tsv", "split.tsv", "predictions.tsv"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_command_again_does_nothing_and_another_is_refused(toy_cohort: Path, tmp_path: Path) -> None:
    train(toy_cohort, tmp_path / "model", **QUICK)
    stamp = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    train(toy_cohort, tmp_path / "model", **QUICK)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(ConflictError, match="seed is 0 in that run and 1 in this one"):
        train(toy_cohort, tmp_path / "model", **QUICK, seed=1)


def test_a_changed_image_makes_it_another_cohort(toy_cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_cohort, tmp_path / "cohort")
    train(tmp_path / "cohort", tmp_path / "model", **QUICK)
    shutil.copy(toy_cohort / "09.nii.gz", tmp_path / "cohort" / "07.nii.gz")
    with pytest.raises(ConflictError, match="cohort_sha256"):
        train(tmp_path / "cohort", tmp_path / "model", **QUICK)


def test_options_of_the_training_go_the_same_way_as_those_of_the_network(toy_cohort: Path, tmp_path: Path) -> None:
    options = {"width": "2", "first_stride": "2", "schedule": "onecycle", "flip": "0.5", "shift": "1"}
    record = train(toy_cohort, tmp_path / "model", **{**QUICK, "options": options})
    assert record["options"] == {"width": 2, "first_stride": 2}
    assert {record["training"][name] for name in ("schedule", "flip", "shift")} == {"onecycle", 0.5, 1}


def test_the_defaults_are_the_papers_settings() -> None:
    assert (train.__kwdefaults__["epochs"], train.__kwdefaults__["batch_size"]) == (40, 8)
    assert (train.__kwdefaults__["learning_rate"], train.__kwdefaults__["milestones_every"]) == (1e-4, 10)
    assert not any(train.__kwdefaults__[name] for name in ("flip", "shift", "noise", "weight_decay"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"widht": 2}}, "no option 'widht'. Did you mean 'width'"),
        ({"predictor": "resnet81"}, "Did you mean 'resnet18'"),
        ({"epochs": 0}, "epochs of TrainingSettings must be at least 1"),
        ({"learning_rate": 1e38}, "learning_rate of TrainingSettings must be at most 1e\\+06"),
        ({"shift": 10**11}, "shift of TrainingSettings must be at most 100"),
        ({"noise": 1e300}, "noise of TrainingSettings must be at most 1000"),
        ({"weight_decay": 1e300}, "weight_decay of TrainingSettings must be at most 1000"),
        ({"options": {"width": 10**26}}, "width of ResNet18 must be below 2\\^63"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, got 'tpu'"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_written(
    toy_cohort: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(toy_cohort, tmp_path / "model", **{**QUICK, **changes})
    assert not (tmp_path / "model").exists()


def test_a_bad_image_is_left_out_and_listed_and_the_rest_is_trained(toy_cohort: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(toy_cohort, cohort)
    (cohort / "07.nii.gz").write_bytes(b"no image")
    (cohort / "09.nii.gz").unlink()
    with pytest.raises(SubjectsFailed, match="2 of 40 subjects failed"):
        train(cohort, tmp_path / "model", **QUICK)
    assert {row["participant_id"] for row in rows(tmp_path / "model" / "failures.tsv")} == {"sub-07", "sub-09"}
    assert load_predictor(tmp_path / "model").unit == "years"


def test_a_cohort_without_a_test_split_is_trained_and_warned_of(
    make_toy_cohort: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cohort").mkdir()
    table = make_toy_cohort(tmp_path / "cohort", 8) / "participants.tsv"
    header, *lines = table.read_text().splitlines()
    splits = ["validation", *["train"] * (len(lines) - 1)]
    given = [f"{line}\t{split}" for line, split in zip(lines, splits, strict=True)]
    table.write_text("\n".join([f"{header}\tsplit", *given]) + "\n")
    train(tmp_path / "cohort", tmp_path / "model", **QUICK)
    assert "There is no test split" in caplog.text
    assert "There is no validation split" not in caplog.text


def test_a_cohort_of_one_age_is_refused(make_toy_cohort: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    table = make_toy_cohort(tmp_path / "cohort", 8) / "participants.tsv"
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    table.write_text(
        "\n".join("\t".join([line[0], "50", line[2]]) if index else "\t".join(line) for index, line in enumerate(lines))
    )
    with pytest.raises(InputError, match="two subjects with different age"):
        train(tmp_path / "cohort", tmp_path / "model", **QUICK)
    assert not (tmp_path / "model" / "model.json").exists()
