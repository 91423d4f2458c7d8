"""A classifier through every step: train, predict, fit, explain, aggregate."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench import Explainer, Predictor, aggregate, explain, fit, load_predictor, predict, read_cohort, train
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.pipeline.fitted import load_fitted, read_fitted

QUICK = {"options": {"width": 2, "first_stride": 2}, "recipe": {"shape": (10, 12, 8)}, "epochs": 1, "device": "cpu"}
WORDS = ["young"] * 24 + ["old"] * 16


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def cohort(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy cohort, whose cube tells the age, with a group by age and two further columns."""
    columns = {
        "group": WORDS,
        "trio": [name for name in "abc" for _ in range(14)][:40],
        "size": [f"{20 + number / 4:.2f}" for number in range(40)],
    }
    return make_toy_cohort(tmp_path_factory.mktemp("groups"), 40, columns=columns)


@pytest.fixture(scope="module")
def model(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow ResNet-18 that tells the two groups apart; nobody changes it."""
    folder = tmp_path_factory.mktemp("classifier") / "model"
    options = {"width": 4, "first_stride": 2, "schedule": "onecycle"}
    settings = {"epochs": 12, "learning_rate": 1e-2, "recipe": {"shape": (10, 12, 8)}, "device": "cpu"}
    train(cohort, folder, target="Group", options=options, **settings)
    return folder


@pytest.fixture(scope="module")
def record(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "model.json").read_text())
    return found


@pytest.mark.slow
def test_it_learns_and_says_so_beside_the_majority_class(record: dict[str, Any]) -> None:
    test = record["metrics"]["test"]
    assert test["accuracy"] > test["majority_accuracy"] and test["majority_class"] == "young"
    for name in ("accuracy", "balanced_accuracy", "auc", "majority"):
        low, high = test[f"{name}_interval"]
        assert low <= test["majority_accuracy" if name == "majority" else name] <= high
    assert test["n"] == sum(test["counts"].values()) == 6


@pytest.mark.slow
def test_the_record_says_what_is_predicted(record: dict[str, Any]) -> None:
    assert (record["task"], record["target"], record["classes"]) == ("classification", "group", ["old", "young"])
    assert (record["target_class"], record["unit"]) == ("young", "logit")
    assert (record["scale"], record["offset"]) == (1.0, 0.0)
    assert record["training_counts"] == {"old": 12, "young": 18}
    assert "training_age_range" not in record and "training_mean" not in record


def test_the_split_is_alike_in_class_and_the_curve_shows_loss_and_accuracy(model: Path, cohort: Path) -> None:
    groups = {f"sub-{one.id}": one.cell("group") for one in read_cohort(cohort).subjects}
    splits = [(row["split"], groups[row["participant_id"]]) for row in rows(model / "split.tsv")]
    assert [splits.count((part, "old")) for part in ("train", "validation", "test")] == [12, 2, 2]
    curve = rows(model / "training.tsv")
    assert list(curve[0]) == ["epoch", "learning_rate", "training_loss", "validation_loss", "validation_accuracy"]


def test_the_table_has_the_truth_the_guess_the_logit_and_its_probability(model: Path, cohort: Path) -> None:
    predictor = load_predictor(model)
    subjects = {f"sub-{one.id}": one for one in read_cohort(cohort).subjects}
    for row in rows(model / "predictions.tsv"):
        subject, logit = subjects[row["participant_id"]], float(row["logit"])
        with torch.no_grad():
            scores = predictor.module(predictor.recipe.prepare(subject).volume[None])[0]
        assert row["true_class"] == subject.cell("group")
        assert row["target_class"] == "young"
        assert logit == pytest.approx(float(scores[1] - scores[0]), abs=1e-4)
        assert float(row["probability"]) == pytest.approx(float(scores.softmax(0)[1]), abs=1e-5)
        assert row["predicted_class"] == ("young" if scores[1] > scores[0] else "old")


def test_another_target_class_turns_the_logit_round_and_leaves_the_figures(
    model: Path, cohort: Path, tmp_path: Path
) -> None:
    first = predict(cohort, model, tmp_path / "young.tsv", split="test")
    second = predict(cohort, model, tmp_path / "old.tsv", target_class="old", split="test")
    for one, other in zip(rows(tmp_path / "young.tsv"), rows(tmp_path / "old.tsv"), strict=True):
        assert float(one["logit"]) == pytest.approx(-float(other["logit"]), abs=1e-5)
        assert float(one["probability"]) == pytest.approx(1 - float(other["probability"]))
        assert one["predicted_class"] == other["predicted_class"]
    for name in ("accuracy", "balanced_accuracy", "auc"):
        assert first["figures"]["test"][name] == pytest.approx(second["figures"]["test"][name])
    assert first["predictor"] != second["predictor"]
    assert (second["target"], second["classes"], second["target_class"]) == ("group", ["old", "young"], "old")


def test_of_three_classes_the_guess_is_the_most_probable(cohort: Path, tmp_path: Path) -> None:
    train(cohort, tmp_path / "model", target="trio", **QUICK)
    predictor = load_predictor(tmp_path / "model")
    subjects = {f"sub-{one.id}": one for one in read_cohort(cohort).subjects}
    for row in rows(tmp_path / "model" / "predictions.tsv"):
        volume = predictor.recipe.prepare(subjects[row["participant_id"]]).volume[None]
        probabilities = predictor.module(volume)[0].softmax(0)
        assert row["predicted_class"] == "abc"[int(probabilities.argmax())]
        assert float(row["probability"]) == pytest.approx(float(probabilities[2]), abs=1e-5)


def test_another_number_is_predicted_in_its_unit(cohort: Path, tmp_path: Path) -> None:
    record = train(cohort, tmp_path / "model", target="size", unit="mm", **QUICK)
    assert (record["task"], record["target"], record["unit"]) == ("regression", "size", "mm")
    summary = predict(cohort, tmp_path / "model", tmp_path / "out.tsv", split="test")
    table = rows(tmp_path / "out.tsv")
    errors = [abs(float(row["target"]) - float(row["prediction"])) for row in table]
    assert summary["figures"]["test"]["mae"] == pytest.approx(sum(errors) / 6)
    assert record["metrics"]["test"]["mae"] == pytest.approx(sum(errors) / 6)
    low, high = record["training_range"]
    assert 20 <= low < high <= 30 and low < record["training_mean"] < high


@dataclass(frozen=True, kw_only=True)
class Watching(Explainer):
    """Learns nothing but what it was given."""

    learned = True
    targets = ()

    def fit(self, predictor, training, validation):
        fitted = Watching()
        object.__setattr__(fitted, "targets", tuple(sample.target for sample in training))
        return fitted

    def state(self):
        return {"number": torch.tensor([len(self.targets)])}

    def with_state(self, state):
        return Watching()

    @property
    def record(self):
        return {"targets": self.targets}

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        volumes = volumes.clone().requires_grad_(True)
        return torch.autograd.grad(predictor.predict(volumes).sum(), volumes)[0][:, 0].detach()


@pytest.mark.slow
def test_nobody_knows_the_logit_that_a_subject_should_get(cohort, model, tmp_path, toy_plugin) -> None:
    toy_plugin.offer("explainer", "watching", Watching)
    assert all(math.isnan(one) for one in fit(cohort, model, tmp_path / "f", method="watching", device="cpu").targets)
    record = train(cohort, tmp_path / "size", target="size", unit="mm", **QUICK)
    seen = fit(cohort, tmp_path / "size", tmp_path / "g", method="watching", device="cpu").targets
    assert len(seen) == 30 and [min(seen), max(seen)] == record["training_range"]


def test_what_was_fitted_to_one_class_is_refused_with_another(cohort, model, tmp_path, toy_plugin) -> None:
    toy_plugin.offer("explainer", "watching", Watching)
    fit(cohort, model, tmp_path / "fitted", method="watching", target_class="old", device="cpu")
    assert read_fitted(tmp_path / "fitted")["target_class"] == "old"
    load_fitted(tmp_path / "fitted", load_predictor(model, target="old"))
    with pytest.raises(InputError, match="fitted to the logit of class 'old', not to the logit of class 'young'"):
        load_fitted(tmp_path / "fitted", load_predictor(model))
    with pytest.raises(ConflictError, match="target_class"):
        fit(cohort, model, tmp_path / "fitted", method="watching", device="cpu")


@pytest.mark.slow
def test_the_maps_of_two_classes_are_two_runs_with_opposite_gradients(cohort, model, tmp_path, toy_plugin) -> None:
    toy_plugin.offer("explainer", "watching", Watching)
    for name in ("old", "young"):
        settings = {"method": "watching", "participants": ["07"], "device": "cpu", "target_class": name}
        explain(cohort, model, tmp_path / name, **settings)
        sidecar = json.loads((tmp_path / name / "sub-07" / "sub-07_desc-watching_importance.json").read_text())
        assert (sidecar["unit"], sidecar["target_class"]) == ("logit", name)
    volumes = torch.randn(1, 1, 10, 12, 8)
    maps = [Watching().explain(load_predictor(model, target=name), volumes) for name in ("old", "young")]
    torch.testing.assert_close(maps[0], -maps[1])
    with pytest.raises(ConflictError, match='target_class is "old" in that run and "young" in this one'):
        explain(cohort, model, tmp_path / "old", **{**settings, "target_class": "young"})


@pytest.mark.slow
def test_unoise_says_what_a_classifier_needs_and_then_goes_end_to_end(cohort, model, tmp_path) -> None:
    small = {"channels": 2, "blocks": 1, "epochs": 1, "pretrain_epochs": 0}
    with pytest.raises(InputError, match="No training subject has a class: use target=prediction"):
        fit(cohort, model, tmp_path / "label", method="unoise", options=small, device="cpu")
    options = {**small, "target": "prediction"}
    explain(cohort, model, tmp_path / "maps", method="unoise", options=options, device="cpu")
    assert read_fitted(tmp_path / "maps" / "fitted")["record"]["selection"]["unit"] == "logit"
    summary = aggregate(tmp_path / "maps", tmp_path / "population")
    assert (summary["n"], summary["predictor_unit"]) == (6, "logit")


@pytest.mark.slow
def test_an_unknown_class_is_told_before_anything_is_written(cohort, model, toy_model, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"unknown class 'yuong'. Did you mean 'young'\?"):
        predict(cohort, model, tmp_path / "out.tsv", target_class="yuong")
    with pytest.raises(UsageError, match="no classes: omit the target class"):
        explain(cohort, toy_model, tmp_path / "maps", method="intensity", target_class="young")
    assert not list(tmp_path.iterdir())


def test_the_command_line_takes_target_and_class(cohort: Path, model: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "p.tsv"
    words = ("predict", cohort, "--predictor", model, "--split", "test", "--out", out, "--target-class")
    code, said, _ = run(*words, "old")
    assert code == 0 and "test: accuracy" in said and "n = 6 (old 2, young 4)" in said
    assert {row["target_class"] for row in rows(out)} == {"old"}
    code, _, said = run(*words, "odl")
    assert code == 2 and "Did you mean 'old'?" in said
    code, _, said = run("train", cohort, "--target", "gruop", "--out", tmp_path / "m")
    assert code == 3 and "Did you mean 'group'?" in said
