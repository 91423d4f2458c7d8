"""The benchmarks run, on a toy, and say what they should."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

TOY = (
    "--subjects",
    "24",
    "--voxel-size",
    "10",
    "--seeds",
    "0",
    "--epochs",
    "2",
    "--samples",
    "2",
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
    "-o",
    "pretrain_epochs=1",
    "-o",
    "precision=float32",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def compare(benchmarks: SimpleNamespace, place: Path):
    """A function that compares estimators on the toy phantom."""

    def compare(*words: str, out: str = "result.json", estimators=("paper,clip=1", "recalibrated")) -> dict[str, Any]:
        where = ("--work", str(place / "work"), "--out", str(place / out), "--estimators", *estimators)
        return benchmarks.estimators.main([*TOY, *where, *words])

    return compare


@pytest.fixture(scope="module")
def results(compare, place: Path) -> dict[str, Any]:
    compare()
    return json.loads((place / "result.json").read_text())


@pytest.fixture(scope="module")
def case(results: dict[str, Any], benchmarks: SimpleNamespace, place: Path) -> Any:
    """The case of the comparison, read again."""
    settings = results["settings"]
    return benchmarks.case.make_case(
        place / "work" / "seed-0",
        subjects=24,
        voxel_size=10.0,
        seed=0,
        network=settings["network"],
        training=settings["training"],
        device="cpu",
    )


@pytest.mark.slow
def test_every_epoch_of_every_estimator_is_measured(results: dict[str, Any]) -> None:
    assert [run["estimator"] for run in results["runs"]] == ["paper,clip=1", "recalibrated"]
    assert [run["options"]["clip"] for run in results["runs"]] == [1.0, 0.0]
    for run in results["runs"]:
        assert [row["epoch"] for row in run["curve"]] == [1, 2]
        assert 0 < run["curve"][0]["seconds"] < run["curve"][1]["seconds"] == run["seconds"]
        for row in run["curve"]:
            low, high = row["subject_auc_interval"]
            assert 0 <= low <= row["subject_auc"] <= high <= 1
            figures = ("population_auc", "loss", "recalibrated_loss", "noisy_mae", "recalibrated_mae", "mask_mean")
            assert all(isinstance(row[name], float) for name in figures)


@pytest.mark.slow
def test_what_is_kept_is_the_epoch_of_the_lowest_validation_loss(results: dict[str, Any]) -> None:
    for run in results["runs"]:
        best = min(run["curve"], key=lambda row: row["validation_loss"])
        assert run["kept_epoch"] == best["epoch"]
        assert run["kept"]["loss"] == best["loss"]
        assert run["kept"]["subject_auc"] == best["subject_auc"]


@pytest.mark.slow
def test_it_goes_on_where_it_was_interrupted_and_comes_to_the_same(results, compare, place: Path) -> None:
    whole, file = json.dumps(results), place / "result.json"
    stamp = file.stat().st_mtime_ns
    assert json.dumps(compare()) == whole
    assert file.stat().st_mtime_ns == stamp
    file.write_text(json.dumps({**results, "floors": []}))
    again = {row["method"]: row["subject_auc"] for row in compare()["floors"]}
    assert again == {row["method"]: row["subject_auc"] for row in results["floors"]}
    file.write_text(whole)


@pytest.mark.slow
def test_with_a_budget_an_estimator_trains_for_as_long_as_it_lasts(results, compare) -> None:
    (run,) = compare("--budget", "1e-6", out="budget.json", estimators=("recalibrated",))["runs"]
    assert (run["epochs"], len(run["curve"])) == (1, 1)


@pytest.mark.slow
def test_without_noise_every_gradient_floor_is_the_gradient(case: Any, benchmarks: SimpleNamespace) -> None:
    found = benchmarks.floors.floors(case, [0.0] * len(case.test), samples=1, blur=1.0, device=torch.device("cpu"))
    plain, noisy, squared = (row for row in found if "smoothed" not in row["method"])
    assert plain["subject_aucs"] == noisy["subject_aucs"] == pytest.approx(squared["subject_aucs"], abs=1e-4)


@pytest.mark.slow
def test_the_truth_as_a_map_is_localised_at_one(case: Any) -> None:
    found = case.localise([case.truth.float()] * len(case.test))
    assert (found["subject_auc"], found["population_auc"], found["n"]) == (1.0, 1.0, len(case.test))
    assert 0 < float(case.truth[case.brain].double().mean()) < 0.5


@pytest.mark.slow
def test_the_page_shows_every_estimator_and_floor(results, benchmarks: SimpleNamespace, place: Path) -> None:
    benchmarks.estimators_page.main(["--results", str(place / "result.json"), "--out", str(place / "page.md")])
    text = (place / "page.md").read_text()
    for run in results["runs"]:
        figure = f"| {run['estimator']} | 2 | {run['seconds']:.0f} | {run['kept']['subject_auc']:.3f} ("
        assert figure in text
    for row in results["floors"]:
        assert f"| {row['method']} | {row['subject_auc']:.3f} (" in text
    assert "![Localisation and validation loss against training time](page.png)" in text
    assert (place / "page.png").read_bytes().startswith(b"\x89PNG")
    assert all(
        line.count("|") == text.splitlines()[number - 1].count("|")
        for number, line in enumerate(text.splitlines())
        if line.startswith("| ---")
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_phantoms_benchmark_runs_and_its_tables_go_between_the_words_of_a_page(
    benchmarks: SimpleNamespace, tmp_path: Path
) -> None:
    out, page = tmp_path / "phantom.json", tmp_path / "phantom.md"
    words = (
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(out),
        "--subjects",
        "40",
        "--voxel-size",
        "10",
        "--seeds",
        "0",
        "--test-subjects",
        "5",
        "--methods",
        "unoise,saliency",
        "--measures",
        "localisation",
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
        "-o",
        "epochs=1",
        "-o",
        "precision=float32",
    )
    results = benchmarks.phantom.main(words)
    found = results["runs"][0]["results"]["auc"]
    assert {"unoise", "saliency", "saliency+blur", "random", "template"} <= set(found["methods"])
    assert all("unoise" in (pair["a"], pair["b"]) for pair in found["pairs"])
    page.write_text("Before.\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nAfter.\n")
    benchmarks.phantom_page.main(("--results", str(out), "--page", str(page)))
    text = page.read_text()
    assert text.startswith("Before.") and text.endswith("After.\n") and "old" not in text
    assert f"{found['methods']['unoise']['mean']:.3f}" in text and "`saliency+blur`" in text
    one = tmp_path / "work" / "seed0"
    real = benchmarks.pixar.main(
        (
            "--cohort",
            str(one / "phantom"),
            "--predictor",
            str(one / "model"),
            "--fitted",
            str(one / "fitted"),
            "--work",
            str(tmp_path / "again"),
            "--out",
            str(tmp_path / "pixar.json"),
            "--methods",
            "unoise,saliency",
            "--measures",
            "complexity",
            "--test-subjects",
            "3",
        )
    )
    assert real["runs"][0]["results"]["gini"]["n"] == 3
    benchmarks.phantom_page.main(("--results", str(tmp_path / "pixar.json"), "--page", str(page)))
    assert "| `gini`" in page.read_text() and "seed" not in page.read_text().partition("### Settings")[0]
