"""The demo in miniature: every step, the figures, the page."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from interpbench.pipeline import demo
from interpbench.pipeline.demo import DemoSettings

TINY = DemoSettings(
    subjects=40,
    voxel_size=8.0,
    train={"epochs": 2, "learning_rate": 1e-3},
    network={"width": 4, "first_stride": 2},
    method={"epochs": 1, "pretrain_epochs": 1, "channels": 4, "blocks": 3, "batch_size": 8},
    rivals=("saliency", "occlusion"),
    measures=("localisation", "complexity"),
    benchmark={"subjects": 5},
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_demo_ends_with_figures_and_a_page_that_needs_no_network(tmp_path: Path) -> None:
    record = demo(tmp_path / "out", settings=TINY, device="cpu")
    found, test = record["localisation"], record["predictor"]
    assert found["n"] == test["n"] == 6 and 0 <= found["subject_auc"] <= 1 and 0 <= found["population_auc"] <= 1
    assert found["subject_auc_interval"][0] <= found["subject_auc"] <= found["subject_auc_interval"][1]
    assert {"clean_mae", "mae_at_0", "mae_at_1"} <= set(record["noise_floor"])
    assert {"noisy_mae", "recalibrated_mae", "mask_mean"} <= set(record["diagnostics"])
    page = (tmp_path / "out" / "index.html").read_text()
    assert "U-noise" in page and "interpbench fit phantom" in page and f"{test['mae']:.2f}" in page
    steps = [("population", "population.json"), ("benchmark", "benchmark.json")]
    told = [one for step in steps for one in json.loads(tmp_path.joinpath("out", *step).read_text())["warnings"]]
    assert told and set(told) <= set(record["warnings"]) and len(set(record["warnings"])) == len(record["warnings"])
    assert all(one in html.unescape(page) for one in record["warnings"])
    assert record["benchmark"]["n"] == 5 and (tmp_path / "out" / "benchmark" / "index.html").is_file()
    assert (tmp_path / "out" / "population" / "population_and_truth.png").stat().st_size > 10_000
