"""What is doubtful about a run's subjects is counted at its end, one line a kind, where people look."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from interpbench import aggregate, explain, fit, predict, train

OPTIONS = {"width": 4, "first_stride": 2}
SMALL = {"epochs": 1, "channels": 2, "blocks": 1, "pretrain_epochs": 0}
SETTINGS = {"epochs": 1, "device": "cpu", "recipe": {"shape": (10, 12, 8), "centre": (0.0, -4.0, 8.0)}}


def spoil(folder: Path, labels: list[str]) -> None:
    """Take the even background away."""
    for label in labels:
        image = nibabel.load(folder / f"{label}.nii.gz")
        voxels = image.get_fdata(dtype=np.float32) + np.random.default_rng(0).uniform(0, 200, image.shape)
        nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), image.affine), folder / f"{label}.nii.gz")


def turned(folder: Path, label: str) -> None:
    image = nibabel.load(folder / f"{label}.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(np.where(voxels != 0, 200 - voxels, 0), image.affine), folder / f"{label}.nii.gz")


@pytest.fixture(scope="module")
def doubtful(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cohort whose first twelve images are not stripped, and a model trained on it; nobody changes them."""
    folder = make_toy_cohort(tmp_path_factory.mktemp("cohort"), 40)
    spoil(folder, [f"{number:02d}" for number in range(12)])
    model = tmp_path_factory.mktemp("model") / "model"
    train(folder, model, options=OPTIONS, **SETTINGS)
    return folder, model


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """`told()`: the lines about doubts since it was called last."""
    caplog.set_level(logging.WARNING, logger="interpbench")

    def lines() -> list[str]:
        found = [one.getMessage() for one in caplog.records if one.getMessage().startswith("no skull")]
        caplog.clear()
        return found

    return lines


@pytest.mark.slow
def test_training_counts_doubts_and_again_when_there_is_nothing_to_do(doubtful, tmp_path, told) -> None:
    folder, _ = doubtful
    for _ in range(2):
        train(folder, tmp_path / "model", options=OPTIONS, **SETTINGS)
        (line,) = told()
        assert line.startswith("no skull-stripping: 12 of 40 subjects (sub-") and line.endswith(", ...)")
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    assert len(record["doubts"]["no skull-stripping"]) == 12
    assert record["training_images"]["cells"] == [8, 10, 8]


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_fitting_counts_the_doubts_about_those_it_learned_from(doubtful, tmp_path, told, cached) -> None:
    folder, model = doubtful
    splits = dict(line.split("\t")[::2] for line in (model / "split.tsv").read_text().splitlines()[1:])
    number = sum(splits[f"sub-{one:02d}"] != "test" for one in range(12))
    for out in ("first", "second", "second"):
        fit(
            folder,
            model,
            tmp_path / out,
            method="unoise",
            options=SMALL,
            device="cpu",
            cache=tmp_path / "cache" if cached else None,
        )
        (line,) = told()
        assert line.startswith(f"no skull-stripping: {number} of 34 subjects (sub-")


@pytest.mark.slow
def test_explaining_counts_what_is_there_already_as_well_and_aggregating_too(doubtful, tmp_path, told) -> None:
    folder, model = doubtful
    for labels in (["00", "20"], ["00", "01", "20"], ["00", "01", "20"]):
        explain(folder, model, tmp_path / "maps", method="saliency", participants=labels, device="cpu")
        number = len(labels) - 1
        named = "sub-00" if number == 1 else "sub-00, sub-01"
        sidecar = json.loads(next((tmp_path / "maps" / "sub-00").glob("*importance.json")).read_text())
        such = sidecar["warnings"][sidecar["warning_kinds"].index("no skull-stripping")]
        assert told() == [f"no skull-stripping: {number} of {number + 1} subjects ({named}), such as: {such}"]
    sidecar = json.loads(next((tmp_path / "maps" / "sub-00").glob("*importance.json")).read_text())
    assert len(sidecar["warnings"]) == len(sidecar["warning_kinds"])
    assert "no skull-stripping" in sidecar["warning_kinds"]
    record = aggregate(tmp_path / "maps", tmp_path / "population")
    assert told() == [f"no skull-stripping: 2 of 3 subjects (sub-00, sub-01), such as: {such}"]
    assert record["warning_kinds"].count("no skull-stripping") == 2
    assert any(one.startswith("sub-00: no mask") for one in record["warnings"])


def test_predicting_counts_doubts_and_keeps_their_kinds(doubtful, tmp_path, told) -> None:
    folder, model = doubtful
    summary = predict(folder, model, tmp_path / "predictions.tsv", device="cpu")
    such = summary["warnings"][summary["warning_kinds"].index("no skull-stripping")].removeprefix("sub-00: ")
    assert told() == [f"no skull-stripping: 12 of 40 subjects (sub-00, sub-01, sub-02, ...), such as: {such}"]
    assert summary["warning_kinds"].count("no skull-stripping") == 12


def test_the_command_line_shows_them_without_being_asked(doubtful, tmp_path, run) -> None:
    folder, model = doubtful
    code, _, shown = run(
        "explain",
        folder,
        "--predictor",
        model,
        "--method",
        "saliency",
        "--participant-label",
        "00",
        "--out",
        tmp_path / "maps",
        "--device",
        "cpu",
    )
    assert code == 0 and "no skull-stripping: 1 of 1 subject (sub-00)" in shown


def test_two_scans_of_one_person_are_never_divided_and_one_of_another_run_is_told(
    make_toy_cohort: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cohort").mkdir()
    folder = make_toy_cohort(tmp_path / "cohort", 40)
    lines = (folder / "participants.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows):
        row[0] = f"sub-{number // 2:02d}+{number % 2}"
    (folder / "participants.tsv").write_text("\n".join([lines[0], *map("\t".join, rows)]) + "\n")
    train(folder, tmp_path / "model", options=OPTIONS, **SETTINGS)
    splits = dict(line.split("\t")[::2] for line in (tmp_path / "model" / "split.tsv").read_text().splitlines()[1:])
    assert all(splits[f"sub-{one:02d}+0"] == splits[f"sub-{one:02d}+1"] for one in range(20))
    assert set(splits.values()) == {"train", "validation", "test"}
    trained = next(label for label, word in splits.items() if word == "train").split("+")[0]
    (folder / "new.tsv").write_text(f"participant_id\tage\timage\n{trained}+9\t50\t00.nii.gz\n")
    with caplog.at_level(logging.WARNING, logger="interpbench"):
        explain(folder / "new.tsv", tmp_path / "model", tmp_path / "maps", method="saliency", device="cpu")
    assert f"one person in two splits: 1 of 1 subject ({trained}+9)" in caplog.text


def test_the_same_image_in_two_splits_is_told_by_training(
    make_toy_cohort: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cohort").mkdir()
    words = ["train"] * 20 + ["test"] * 4
    folder = make_toy_cohort(tmp_path / "cohort", 24, columns={"split": words})
    shutil.copy(folder / "03.nii.gz", folder / "22.nii.gz")
    with caplog.at_level(logging.WARNING, logger="interpbench"):
        train(folder, tmp_path / "model", options=OPTIONS, **SETTINGS)
    assert "duplicate image: 2 of 24 subjects (sub-03, sub-22)" in caplog.text
