"""The benchmark of pretraining runs, on a toy, and counts what it says that it counts."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from interpbench import write_phantom
from interpbench.errors import InputError
from interpbench_unoise.explainer import UNoise

TOY = (
    "--subjects",
    "24",
    "--voxel-size",
    "10",
    "--network-option",
    "width=2",
    "--network-option",
    "first_stride=2",
    "--train-option",
    "epochs=1",
    "-o",
    "channels=2",
    "-o",
    "blocks=2",
    "--pretrain-epochs",
    "0",
    "1",
    "--fit-subjects",
    "8",
    "--test-subjects",
    "2",
    "--every",
    "1",
    "--probe-steps",
    "1",
    "--budget",
    "1e-6",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretraining")


@pytest.fixture(scope="module")
def results(benchmarks: SimpleNamespace, place: Path) -> dict[str, Any]:
    words = ("--work", str(place / "work"), "--out", str(place / "phantom.json"), "--seeds", "0", "1")
    benchmarks.pretraining.main([*TOY, *words])
    return json.loads((place / "phantom.json").read_text())


@pytest.mark.slow
def test_every_arm_is_measured_epoch_by_epoch_and_step_by_step(results: dict[str, Any]) -> None:
    assert [(run["seed"], run["pretrain_epochs"]) for run in results["runs"]] == [(0, 0), (0, 1), (1, 1), (1, 0)]
    assert results["steps_an_epoch"] == 2
    for run in results["runs"]:
        assert (run["epochs"], run["steps"]) == (1, 2)
        assert [row["step"] for row in run["aucs"]] == [1, 2]
        assert all(0 <= row["auc"] <= 1 for row in run["aucs"])
        assert run["aucs"][-1]["cpu_seconds"] == run["curve"][-1]["cpu_seconds"] == run["cpu_seconds"]
        assert run["kept_auc"] == run["aucs"][-1]["auc"]  # of the only epoch
        assert len(run["reconstruction"]) == run["pretrain_epochs"]
        assert (run["pretraining_seconds"] > 0) == (run["pretrain_epochs"] > 0)
        assert run["cpu_seconds"] > run["pretraining_seconds"]


@pytest.mark.slow
def test_arms_learn_what_the_plugin_learns(results: dict[str, Any], benchmarks: SimpleNamespace, place: Path) -> None:
    """`UNoise.fit` with an arm's options, on the same subjects, has the same losses."""
    settings = results["settings"]
    case = benchmarks.case.make_case(
        place / "work",
        subjects=24,
        voxel_size=10.0,
        seed=0,
        network=settings["network"],
        training=settings["training"],
        device="cpu",
    )
    some = benchmarks.pretraining_run.evenly(case.training, 8)
    for run in results["runs"][:2]:
        arm = UNoise(**settings["unoise"], seed=0, epochs=1, pretrain_epochs=run["pretrain_epochs"])
        curves = arm.fit(case.predictor, some, case.validation)._record["curves"]
        for name in benchmarks.pretraining_run.FIGURES:
            assert run["curve"][0][name] == pytest.approx(curves["noise_model"][0][name], abs=1e-4)
        told = [row["validation_loss"] for row in curves.get("pretraining", [])]
        assert run["reconstruction"] == pytest.approx(told, abs=1e-4)


@pytest.mark.slow
def test_it_goes_on_where_it_was_interrupted_and_adds_seeds(
    results: dict[str, Any], benchmarks: SimpleNamespace, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place / "more.json"
    file.write_text(json.dumps({**results, "runs": results["runs"][:1]}))
    words = (*TOY, "--work", str(place / "work"), "--out", str(file), "--seeds", "0")
    found = benchmarks.pretraining.main(words)
    assert found["runs"][0] == results["runs"][0]
    assert [(run["seed"], run["pretrain_epochs"]) for run in found["runs"]] == [(0, 0), (0, 1)]
    assert found["runs"][1]["curve"][0]["validation_loss"] == results["runs"][1]["curve"][0]["validation_loss"]
    assert "| seed | `pretrain_epochs` |" in capsys.readouterr().out
    stamp = file.stat().st_mtime_ns
    benchmarks.pretraining.main(words)
    assert file.stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_where_nobody_knows_the_truth_the_validation_loss_is_measured_alone(
    benchmarks: SimpleNamespace, tmp_path: Path
) -> None:
    cohort = write_phantom(tmp_path / "cohort", subjects=24, voxel_size=10.0)
    words = ("--cohort", str(cohort), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "real.json"))
    found = benchmarks.pretraining.main([*TOY, *words, "--seeds", "0", "--pretrain-epochs", "0"])
    (run,) = found["runs"]
    assert found["settings"]["cohort"] == "cohort" and found["settings"]["subjects"] is None
    assert run["aucs"] == [] and run["kept_auc"] is None
    assert run["curve"][0]["validation_loss"] > 0
    case = benchmarks.case.cohort_case(
        cohort,
        tmp_path / "work" / "model",
        seed=0,
        network=found["settings"]["network"],
        device="cpu",
        training=found["settings"]["training"],
        recipe={"voxel_size": 10.0},
    )
    with pytest.raises(InputError, match="Nobody knows the truth"):
        case.localise([torch.zeros(case.test[0].brain.shape)] * len(case.test))


def test_the_clock_stands_still_while_anything_is_validated_or_measured(
    benchmarks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(benchmarks.pretraining_run.time, "process_time", lambda: now[0])

    def measure() -> float:
        now[0] += 100.0
        return 0.5

    def wait(seconds: float) -> None:
        now[0] += seconds

    def epoch_ends() -> None:
        wait(1000.0)  # the validation
        clock.emit(logging.LogRecord("interpbench", logging.INFO, "", 0, "noise model, epoch 1 of 2", None, None))

    clock = benchmarks.pretraining_run.StepClock(measure, every=2)
    wait(3.0)
    clock.step()
    epoch_ends()
    clock.noise_model_begins()
    for _ in range(2):
        for _ in range(3):
            wait(1.0)
            clock.measured_step()
        epoch_ends()
    assert clock.total == 9.0 and clock.pretraining_steps == 1 and clock.ends == [4, 7]
    assert [(row["step"], row["cpu_seconds"]) for row in clock.aucs] == [(2, 5.0), (4, 7.0), (6, 9.0)]


def test_as_many_epochs_are_trained_as_fit_into_what_the_pretraining_leaves(benchmarks: SimpleNamespace) -> None:
    within, costs = benchmarks.pretraining_run.epochs_within, {"pretraining": 2.0, "noise_model": 4.0}
    assert [within(100.0, costs, number, 5) for number in (0, 4, 9, 99)] == [5, 3, 1, 1]


def test_subjects_are_taken_evenly_over_the_ages(benchmarks: SimpleNamespace) -> None:
    people = [SimpleNamespace(target=float(age)) for age in (70, 20, 40, 60, 30, 50)]
    assert [one.target for one in benchmarks.pretraining_run.evenly(people, 3)] == [30.0, 50.0, 70.0]
    assert len(benchmarks.pretraining_run.evenly(people, 99)) == 6


def test_the_table_tells_when_the_goal_and_the_common_loss_were_reached(benchmarks: SimpleNamespace) -> None:
    def run(pretrain_epochs: int, losses: list[float], aucs: list[float]) -> dict[str, Any]:
        seconds = [10.0 * (place + 1) for place in range(len(losses))]
        return {
            "seed": 0,
            "pretrain_epochs": pretrain_epochs,
            "epochs": len(losses),
            "cpu_seconds": seconds[-1],
            "pretraining_seconds": 5.0 * pretrain_epochs,
            "curve": [
                {"epoch": place + 1, "cpu_seconds": seconds[place], "validation_loss": loss}
                for place, loss in enumerate(losses)
            ],
            "aucs": [
                {"step": 4 * (place + 1), "cpu_seconds": seconds[place], "auc": auc} for place, auc in enumerate(aucs)
            ],
        }

    runs = [run(4, [3.0, 1.5], [0.5, 0.8]), run(0, [2.0, 1.4, 1.0], [0.6, 0.92, 0.95])]
    rows = benchmarks.pretraining.table({"settings": {"goal": 0.9}, "runs": runs}).splitlines()[2:]
    assert rows == [
        "| 0 | 0 | 30 | 0 | 3 | 20 (8) | 0.950 | 1.000 | 20 (2) |",
        "| 0 | 4 | 20 | 20 | 2 | never | 0.800 | 1.500 | 20 (2) |",
    ]
    unknown = benchmarks.pretraining.table({"settings": {"goal": 0.9}, "runs": [run(0, [1.0], [])]}).splitlines()[2]
    assert unknown == "| 0 | 0 | 10 | 0 | 1 | unknown | unknown | 1.000 | 10 (1) |"
