"""`predict`: the numbers of the predictor, and their figures where ages are known."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from interpbench import predict
from interpbench.errors import InputError, SubjectsFailed, UsageError
from interpbench.pipeline.prediction import outside_training


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_test_split_is_predicted_as_after_training(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    predict(toy_cohort, toy_model, tmp_path / "out.tsv", split="test")
    trained = {row["participant_id"]: row for row in rows(toy_model / "predictions.tsv")}
    found = {row["participant_id"]: row for row in rows(tmp_path / "out.tsv")}
    assert found.keys() == trained.keys()
    for label in found:
        assert float(found[label]["prediction"]) == pytest.approx(float(trained[label]["prediction"]), abs=1e-4)


def test_the_figures_are_those_of_the_table(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    summary = predict(toy_cohort, toy_model, tmp_path / "out.tsv")
    table = [row for row in rows(tmp_path / "out.tsv") if row["split"] == "train"]
    errors = [abs(float(row["prediction"]) - float(row["age"])) for row in table]
    assert summary["n"] == 40
    assert summary["figures"]["train"]["n"] == 30
    assert summary["figures"]["train"]["mae"] == pytest.approx(np.mean(errors))
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(summary))


def test_who_else_is_predicted_does_not_change_a_number(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    predict(toy_cohort, toy_model, tmp_path / "all.tsv")
    predict(toy_cohort, toy_model, tmp_path / "one.tsv", participants=["sub-07"])
    together = next(row for row in rows(tmp_path / "all.tsv") if row["participant_id"] == "sub-07")
    assert rows(tmp_path / "one.tsv") == [together]


def test_ages_are_not_needed(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "ageless.tsv"
    table.write_text(f"participant_id\timage\nsub-new\t{toy_cohort / '03.nii.gz'}\n")
    summary = predict(table, toy_model, tmp_path / "out.tsv")
    assert summary["figures"] == {"test": None}
    assert rows(tmp_path / "out.tsv")[0]["age"] == "n/a"


def test_a_bad_image_is_listed_and_the_others_predicted(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(toy_cohort, cohort)
    (cohort / "07.nii.gz").write_bytes(b"no image")
    with pytest.raises(SubjectsFailed, match=r"1 of 40 subjects failed.*sub-07"):
        predict(cohort, toy_model, tmp_path / "out.tsv")
    assert len(rows(tmp_path / "out.tsv")) == 39


def test_an_unknown_label_is_told_with_the_nearest(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no subject '7'"):
        predict(toy_cohort, toy_model, tmp_path / "out.tsv", participants=["7"])
    assert not (tmp_path / "out.tsv").exists()


def test_a_model_that_is_not_there_is_told(toy_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such model folder"):
        predict(toy_cohort, tmp_path / "nowhere", tmp_path / "out.tsv")


def test_a_prediction_beyond_the_training_ages_is_a_sentence() -> None:
    record = {"training_age_range": [44.0, 73.0]}
    assert outside_training(60.0, record, "years") is None
    assert outside_training(60.0, {}, "years") is None
    assert outside_training(91.26, record, "years") == (
        "the prediction of 91.3 years lies outside the training ages, 44.0 to 73.0"
    )


def test_the_error_is_logged_with_n_and_interval(
    toy_cohort: Path, toy_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="interpbench"):
        predict(toy_cohort, toy_model, tmp_path / "out.tsv", split="test")
    assert "years (95 % interval" in caplog.text
    assert "n = 6" in caplog.text
