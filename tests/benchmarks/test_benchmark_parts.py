"""Steps at full size, and the cross-validation of a network and a ridge regression, on a toy."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

SMALL = ("--shape", "12x14x10", "--blocks", "2", "--channels", "2", "--width", "2")


@pytest.mark.parametrize("step", ["pretraining", "noise"])
def test_a_step_of_a_training_is_timed_and_its_memory_taken(benchmarks: SimpleNamespace, step: str) -> None:
    asked = benchmarks.full_size._parser().parse_args([*SMALL, "--steps", "3", "--only", step])
    found = benchmarks.full_size.measure(asked)
    assert len(found["seconds"]) == 3
    assert found["median_seconds"] == sorted(found["seconds"])[1]
    assert 0 < found["memory_before_gib"] <= found["peak_memory_gib"]
    assert ("predictor_parameters" in found) == (step == "noise")


def test_random_brains_are_normalised_and_lie_on_an_even_background(benchmarks: SimpleNamespace) -> None:
    first, second = benchmarks.random_case.random_brains(2, (12, 14, 10))
    inside = first.volume[0][first.brain]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-5)
    assert float(inside.std()) == pytest.approx(1, abs=1e-5)
    assert not bool(first.volume[0][~first.brain].any())
    assert not torch.equal(first.volume, second.volume)


@pytest.mark.slow
def test_each_step_is_a_process_of_its_own_and_one_that_fails_is_told(benchmarks: SimpleNamespace, tmp_path) -> None:
    found = benchmarks.full_size.main([*SMALL, "--out", str(tmp_path / "steps.json")])
    assert [row["step"] for row in found["steps"]] == ["pretraining", "noise"]
    assert json.loads((tmp_path / "steps.json").read_text())["machine"]["device"] == "cpu"
    asked = benchmarks.full_size._parser().parse_args([*SMALL, "--estimator", "none"])
    failed = benchmarks.full_size._in_own_process(asked, "noise", "float32")
    assert failed == {"failure": "failed (exit code 1)"}


@pytest.mark.slow
def test_network_and_ridge_are_tested_on_every_subject_once(benchmarks: SimpleNamespace, toy_cohort: Path) -> None:
    small = {"settings": {"epochs": 2}, "network": {"width": 2, "first_stride": 2}, "recipe": {"shape": (10, 12, 8)}}
    found = benchmarks.cross_validation.compare(toy_cohort, folds=2, **small)
    groups = found["groups"]
    assert {name: one["n"] for name, one in groups["all"].items()} == {"network": 40, "ridge": 40, "mean": 40}
    # A bright cube tells the age: the linear model must find it, and nobody knows the age from nothing.
    assert groups["all"]["ridge"]["mae"] < 0.5 * groups["all"]["mean"]["mae"]
    difference = groups["all"]["network"]["mae"] - groups["all"]["ridge"]["mae"]
    assert found["network_minus_ridge"]["mean"] == pytest.approx(difference)


def test_neighbours_in_age_go_to_different_folds(benchmarks: SimpleNamespace) -> None:
    subjects = [SimpleNamespace(age=float(age)) for age in (9, 3, 7, 1, 5, 8, 2, 6, 4, 0)]
    fold = benchmarks.cross_validation.folds_of(subjects, 5, seed=0)
    by_age = [fold[number] for _, number in sorted((one.age, number) for number, one in enumerate(subjects))]
    assert set(by_age[:5]) == set(by_age[5:]) == {0, 1, 2, 3, 4}


def test_ridge_regression_in_its_dual_form_is_scikit_learn_s(benchmarks: SimpleNamespace) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    features, test = random.standard_normal((30, 50)), np.arange(30) < 10
    ages = features[:, :3].sum(1) + 50 + 0.1 * random.standard_normal(30)
    guess = benchmarks.cross_validation.ridge_predictions(features, ages, test)
    alternatives = [
        linear_model.Ridge(alpha=penalty).fit(features[~test], ages[~test]).predict(features[test])
        for penalty in benchmarks.cross_validation.PENALTIES
    ]
    assert min(np.abs(guess - other).max() for other in alternatives) < 1e-6
