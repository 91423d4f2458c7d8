"""The benchmark of the person gain: what it simulates is what the metric measures."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from interpbench import Everyone
from interpbench.testing import cube_predictor, toy_case
from interpbench_measures.person import Person

SHAPE = (6, 7, 8)


def test_it_covers_0_for_one_map_for_all_and_says_with_which_settings(benchmarks, tmp_path, capsys):
    person_gain = benchmarks.person_gain
    words = ["--repeats", "4", "--people", "8", "--voxels", "200", "--resamples", "99", "--timed", "5", "200"]
    found = person_gain.main([*words, "--out", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text()) == found and found["settings"]["repeats"] == 4
    rows = {(row["kind"], row["measure"]): row for row in found["coverage"]}
    assert len(rows) == 12 and rows["template", "person_gain"]["covered"] == 1.0
    assert rows["template", "person_gain"]["sd_of_means"] == 0.0 < rows["population", "person_gain"]["sd_of_means"]
    assert rows["personal", "person_gain"]["mean"] > 0 < found["seconds_of_a_map"]["seconds"]
    assert str(tmp_path / "out.json") in capsys.readouterr().out


def test_what_is_simulated_is_what_the_metric_measures(benchmarks, monkeypatch):
    person_gain = benchmarks.person_gain
    kept = {}
    stretches = person_gain._stretches
    monkeypatch.setattr(person_gain, "_stretches", lambda *given: kept.setdefault("truths", stretches(*given)))
    simulated = person_gain.figures_of(np.random.default_rng(0), "personal", 5, 336, 0.5)
    random = np.random.default_rng(0)
    truths = stretches(random, 5, 336)
    maps = 0.5 * truths + random.standard_normal((5, 336))
    assert np.array_equal(truths, kept["truths"])
    inside = {str(at): torch.from_numpy(truth).reshape(SHAPE) for at, truth in enumerate(truths)}
    everyone = Everyone(
        labels=tuple(inside),
        truth_of=inside.__getitem__,
        common_brain=torch.ones(SHAPE, dtype=torch.bool),
        mean_importance=torch.zeros(SHAPE).double(),
        mean_truth=torch.zeros(SHAPE).double(),
    )
    for at, map in enumerate(maps):
        above = torch.from_numpy(map - map.min()).reshape(SHAPE)  # no importance is below 0
        case = toy_case(cube_predictor(SHAPE), above, truth=inside[str(at)], everyone=everyone)
        case = dataclasses.replace(case, subject=str(at), brain=everyone.common_brain)
        figures = Person().measure(case)
        assert [figures[name] for name in person_gain.MEASURES] == pytest.approx(simulated[at])
