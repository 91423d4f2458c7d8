"""Real adults: what is measured of one person's map, and the tables that are made of everybody's."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interpbench.cohort.subjects import Subject
from interpbench.images.volume import write_map

SHAPE = (20, 22, 18)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = [-38.0, -42.0, -34.0]
GROUPS = {"hippocampus": [47, 48], "third ventricle": [4], "insula": [102]}


def person(folder: Path) -> tuple[Subject, SimpleNamespace]:
    """Somebody with two hippocampi, a third ventricle on the midline, no insula, and tissue of another number."""
    labels = np.full(SHAPE, 81, dtype=np.float32)
    labels[3:6, 9:12, 7:10], labels[14:17, 9:12, 7:10] = 48, 47
    labels[9:11, 9:12, 12:15] = 4
    write_map(folder / "labels.nii.gz", labels, affine=AFFINE)
    prepared = SimpleNamespace(brain=torch.ones(SHAPE, dtype=torch.bool), affine=AFFINE)
    return Subject("1", folder / "image.nii.gz", labels=folder / "labels.nii.gz"), prepared


def test_volumes_are_in_millilitres_and_the_last_is_the_brains(benchmarks, tmp_path):
    subject, prepared = person(tmp_path)
    covers, volumes = benchmarks.ixi._anatomy(subject, GROUPS, prepared)
    voxel = 4**3 / 1000
    assert volumes == pytest.approx([54 * voxel, 18 * voxel, 0, np.prod(SHAPE) * voxel])
    assert covers.shape == (3, *SHAPE) and float(covers[0].sum()) == pytest.approx(54) and not covers[2].any()


def test_a_person_without_labels_ends_the_run_in_one_line(benchmarks, tmp_path):
    _, prepared = person(tmp_path)
    with pytest.raises(SystemExit, match="sub-7 has no labels"):
        benchmarks.ixi._anatomy(Subject("7", tmp_path / "image.nii.gz"), GROUPS, prepared)


def test_a_map_of_the_hippocampi_alone_stands_above_all_tissue_of_their_size(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.ixi, "BY_SIZE", ("hippocampus", "third ventricle"))
    subject, prepared = person(tmp_path)
    covers, _ = benchmarks.ixi._anatomy(subject, GROUPS, prepared)
    found = benchmarks.ixi._measured(covers[0] * 5, prepared, covers, list(GROUPS), 0)
    assert found["relative"][0] == pytest.approx(np.prod(SHAPE) / 54) and found["relative"][1] == 0
    assert np.isnan(found["relative"][2])
    assert found["by_size"]["hippocampus"] == 1.0 and found["by_size"]["third ventricle"] < 0.5


def test_the_same_seed_compares_with_the_same_places(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.ixi, "BY_SIZE", ("hippocampus",))
    subject, prepared = person(tmp_path)
    covers, _ = benchmarks.ixi._anatomy(subject, GROUPS, prepared)
    map = torch.from_numpy(np.random.default_rng(0).random(SHAPE).astype(np.float32))
    first, again, other = (benchmarks.ixi._measured(map, prepared, covers, list(GROUPS), seed) for seed in (3, 3, 4))
    assert first["by_size"] == again["by_size"] != other["by_size"]


def test_predictions_are_read_by_the_names_of_their_columns(benchmarks, tmp_path):
    path = tmp_path / "predictions.tsv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([["participant_id", "age", "prediction"], ["sub-1", "30", "33.5"]])
    assert benchmarks.ixi._rows(path) == [{"participant_id": "sub-1", "age": "30", "prediction": "33.5"}]


def figures(mean, low=None, high=None):
    return {"mean": mean, "interval": None if low is None else [low, high], "n": 9}


def correlation(r, low=None, high=None):
    return {"r": r, "interval": None if low is None else [low, high], "n": 9}


def result(page):
    region = {
        "relative": figures(2.0, 1.5, 2.5),
        "by_size": figures(0.9, 0.8, 0.95),
        "with_volume": correlation(-0.5, -0.7, -0.2),
        "with_age": correlation(0.25, 0.0, 0.5),
        "with_gap_at_one_age": correlation(None),
    }
    low = {**region, "relative": figures(0.5, 0.4, 0.6)}
    groups = dict.fromkeys([*page.CORRELATED, "insula"], region)
    return {
        "subjects": 9,
        "regions": {"steep": groups, "flat": {**groups, "insula": low}},
        "claim": {
            "steep": {"hippocampus": figures(0.7, 0.6, 0.8), "ventricles": figures(0.6, 0.45, 0.7)},
            "flat": {"hippocampus": figures(0.5), "ventricles": figures(None)},
        },
        "settings": {"seed": 0},
        "machine": {"cores": 2},
    }


def test_a_figure_is_bold_exactly_if_its_whole_interval_is_above_chance(benchmarks):
    rows = benchmarks.ixi_page.claim_table(result(benchmarks.ixi_page)["claim"])
    assert rows[2] == "| steep | **0.70 (0.60 to 0.80)** | 0.60 (0.45 to 0.70) |"
    assert rows[3] == "| flat | 0.50 | n/a |"


def test_every_region_and_method_has_a_cell(benchmarks):
    page = benchmarks.ixi_page
    groups = [*page.CORRELATED, "insula"]
    rows = page.region_table(result(page)["regions"], groups, ["steep", "flat"])
    assert rows[0] == "| region | steep | flat |" and len(rows) == 2 + len(groups)
    assert rows[-1] == "| insula | **2.00 (1.50 to 2.50)** | 0.50 (0.40 to 0.60) |"


def test_correlations_have_their_interval_or_n_a(benchmarks):
    page = benchmarks.ixi_page
    rows = page.correlation_table(result(page)["regions"], "hippocampus")
    assert rows[2] == "| steep | -0.50 (-0.70 to -0.20) | 0.25 (0.00 to 0.50) | n/a |"


def test_all_tables_are_one_page_with_n_and_settings(benchmarks):
    text = "\n".join(benchmarks.ixi_page.tables(result(benchmarks.ixi_page)))
    assert text.count("n = 9") == 2 and '"seed": 0' in text and text.count("### Who has") == 4


def test_tables_go_between_the_markers_of_a_page(benchmarks, tmp_path):
    page, results = tmp_path / "ixi.md", tmp_path / "ixi.json"
    page.write_text("words\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nmore words\n")
    results.write_text(json.dumps(result(benchmarks.ixi_page)))
    benchmarks.ixi_page.main(["--results", str(results), "--page", str(page)])
    text = page.read_text()
    assert text.startswith("words\n") and text.endswith("more words\n") and "old" not in text
    assert "| steep | **0.70 (0.60 to 0.80)**" in text


def test_a_fold_s_table_keeps_every_file_of_a_person_and_holds_the_fold_out(benchmarks, tmp_path, monkeypatch):
    people = [
        Subject(str(number), tmp_path / f"{number}.nii.gz", 30.0 + number, labels=tmp_path / f"{number}_dseg.nii.gz")
        for number in range(10)
    ]
    test = np.arange(10) < 3

    def train(table, model, **settings):
        assert settings["epochs"] == 2 and settings["seed"] == 4
        model.mkdir()
        rows = [f"sub-{number}\t{40 + number}" for number in (2, 0, 1)]
        (model / "predictions.tsv").write_text("\n".join(["participant_id\tprediction", *rows]) + "\n")

    monkeypatch.setattr(benchmarks.cross_validation, "train", train)
    found = benchmarks.cross_validation.network_predictions(people, test, tmp_path, {"epochs": 2}, {}, {}, 4)
    assert found.tolist() == [40.0, 41.0, 42.0]  # in the order of the people, whatever that of the file is
    rows = benchmarks.ixi._rows(tmp_path / "participants.tsv")
    assert [row["split"] for row in rows[:3]] == ["test"] * 3
    assert {row["split"] for row in rows[3:]} == {"train", "validation"}
    assert rows[4]["labels"] == str(people[4].labels) and rows[4]["mask"] == "n/a"
