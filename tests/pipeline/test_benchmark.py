"""`benchmark`: every method and measure in one table, whoever wrote them, and nothing is done twice."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from interpbench import Explainer, Measure, Metric, benchmark, explain, option, read_volume
from interpbench.errors import ConflictError, InputError, NotApplicable, UsageError


class Slope(Explainer):
    """|df/dx|."""

    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(1)
        inputs = volumes.detach().clone().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
        return gradient[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Noise(Explainer):
    """Looks at nothing."""

    floor: ClassVar[bool] = True
    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        return torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))


class Inapplicable(Explainer):
    def explain(self, predictor, volumes):
        raise NotApplicable("this network has no capsules")


class Breaks(Explainer):
    """Fails on some subjects."""

    def explain(self, predictor, volumes):
        if float(volumes[0, 0, 5, 5, 5]) > 0:
            raise KeyError("layer9")
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Height(Metric):
    """How large the map is at its largest, and how it is spread."""

    factor: float = option(1.0, "factor")
    calls: ClassVar[list[str]] = []
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(name="height", unit="{unit}", direction="higher", help="the largest value"),
        Measure(name="spread", unit="", direction=None, help="quantiles", steps=(25.0, 75.0), steps_name="share (%)"),
    )

    def measure(self, case):
        self.calls.append(case.subject)
        values = case.importance[case.brain].double()
        quarters = values.quantile(torch.tensor([0.25, 0.75]).double()).tolist()
        return {"height": self.factor * float(values.max()), "spread": quarters}


class Again(Metric):
    """Explains again."""

    repeats: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(name="again", unit="", direction="lower", help="change when explained again"),
    )

    def measure(self, case):
        return {"again": float((case.explain() - case.map).abs().max())}


@pytest.fixture
def entered(toy_plugin):
    for name, explainer in (("steepness", Slope), ("noise", Noise), ("capsules", Inapplicable), ("breaks", Breaks)):
        toy_plugin.offer("explainer", name, explainer)
    toy_plugin.offer("metric", "height", Height)
    toy_plugin.offer("metric", "again", Again)
    Slope.calls.clear()
    Height.calls.clear()
    return toy_plugin


def table(folder: Path, name: str = "measures") -> list[dict[str, str]]:
    with (folder / f"{name}.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


SETTINGS = {"measures": ["height"], "device": "cpu", "floors": False, "processes": 1}  # in which calls are counted


@pytest.mark.slow
def test_a_third_partys_method_and_measure_appear_in_the_table(entered, toy_cohort, toy_model, tmp_path):
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness", "noise"], **SETTINGS)
    rows = table(tmp_path / "out")
    assert {row["method"] for row in rows} == {"steepness", "steepness+blur", "noise"}
    assert {row["measure"] for row in rows} == {"height"} and len(rows) == 3 * 6
    assert all(float(row["value"]) > 0 for row in rows)
    curves = table(tmp_path / "out", "curves")
    assert {(row["measure"], row["step"]) for row in curves} == {("spread", "25.0"), ("spread", "75.0")}
    assert {one["name"]: one["kind"] for one in found["methods"]} == {
        "steepness": "method",
        "steepness+blur": "method",
        "noise": "floor",
    }
    assert found["results"]["height"]["methods"]["steepness"]["n"] == 6 == found["n"]


@pytest.mark.slow
def test_the_sidecar_tells_unit_and_direction_of_each_measure(entered, toy_cohort, toy_model, tmp_path):
    benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    sidecar = json.loads((tmp_path / "out" / "measures.json").read_text())
    height = next(one for one in sidecar["measures"] if one["name"] == "height")
    assert (height["unit"], height["direction"], height["metric"]) == ("years", "higher", "height")


@pytest.mark.slow
def test_the_same_command_again_makes_no_map_and_measures_nobody_twice(entered, toy_cohort, toy_model, tmp_path):
    first = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    made, measured = len(Slope.calls), len(Height.calls)
    second = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    assert len(Slope.calls) == made and len(Height.calls) == measured
    assert first == second


@pytest.mark.slow
def test_an_interrupted_benchmark_loses_the_subject_in_hand_only(entered, toy_cohort, toy_model, tmp_path, monkeypatch):
    def stop(self, case):
        if len({*Height.calls, case.subject}) == 4:
            raise KeyboardInterrupt
        return measure(self, case)

    measure = Height.measure
    monkeypatch.setattr(Height, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    monkeypatch.setattr(Height, "measure", measure)
    done = set(Height.calls)
    made = len(Slope.calls)
    Height.calls.clear()
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    assert len(done) == 3 and done.isdisjoint(Height.calls) and len(Slope.calls) == made
    whole = benchmark(toy_cohort, toy_model, tmp_path / "whole", methods=["steepness"], **SETTINGS)
    assert (tmp_path / "out" / "measures.tsv").read_bytes() == (tmp_path / "whole" / "measures.tsv").read_bytes()
    assert found["results"] == whole["results"]


@pytest.mark.slow
def test_a_method_that_does_not_apply_is_told_and_hinders_nobody(entered, toy_cohort, toy_model, tmp_path):
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["capsules", "steepness"], **SETTINGS)
    notes = {one["name"]: one["note"] for one in found["methods"]}
    assert "no capsules" in notes["capsules"] and notes["steepness"] == ""
    rows = [row for row in table(tmp_path / "out") if row["method"] == "capsules"]
    assert rows and all(row["value"] == "n/a" and "no capsules" in row["note"] for row in rows)


@pytest.mark.slow
def test_a_method_that_fails_on_some_subjects_is_missing_there_only(entered, toy_cohort, toy_model, tmp_path):
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["breaks", "steepness"], **SETTINGS)
    rows = [row for row in table(tmp_path / "out") if row["method"] == "breaks"]
    bad = [row for row in rows if row["value"] == "n/a"]
    assert len(rows) == 6 and 0 < len(bad) < 6 and all("layer9" in row["note"] for row in bad)
    assert found["results"]["height"]["methods"]["breaks"]["n"] == 6 - len(bad)


@pytest.mark.slow
def test_maps_that_explain_made_are_taken(entered, toy_cohort, toy_model, tmp_path):
    explain(toy_cohort, toy_model, tmp_path / "maps", method="steepness", device="cpu")
    Slope.calls.clear()
    given = benchmark(
        toy_cohort, toy_model, tmp_path / "given", methods=["steepness"], maps=[tmp_path / "maps"], **SETTINGS
    )
    assert not Slope.calls
    own = benchmark(toy_cohort, toy_model, tmp_path / "own", methods=["steepness"], **SETTINGS)
    assert given["results"]["height"] == own["results"]["height"]


def test_maps_of_another_predictor_are_refused(entered, toy_cohort, toy_model, tmp_path):
    maps = tmp_path / "maps"
    explain(toy_cohort, toy_model, maps, method="steepness", device="cpu")
    manifest = json.loads((maps / "manifest.json").read_text())
    (maps / "manifest.json").write_text(json.dumps({**manifest, "predictor_sha256": "0" * 64}))
    with pytest.raises(InputError, match="another predictor"):
        benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], maps=[maps], **SETTINGS)


@pytest.mark.slow
def test_options_reach_the_method_and_the_measure_they_name(entered, toy_cohort, toy_model, tmp_path):
    plain = benchmark(toy_cohort, toy_model, tmp_path / "a", methods=["steepness"], **SETTINGS)
    twice = benchmark(
        toy_cohort, toy_model, tmp_path / "b", methods=["steepness"], options={"height.factor": "2"}, **SETTINGS
    )
    one, two = (found["results"]["height"]["methods"]["steepness"]["mean"] for found in (plain, twice))
    assert two == pytest.approx(2 * one)
    wrong = {"hieght.factor": "2"}
    with pytest.raises(UsageError, match="is not in this benchmark"):
        benchmark(toy_cohort, toy_model, tmp_path / "c", methods=["steepness"], options=wrong, **SETTINGS)


@pytest.mark.slow
def test_measures_that_explain_again_are_taken_of_some_subjects(entered, toy_cohort, toy_model, tmp_path):
    settings = {**SETTINGS, "measures": ["again"], "repeats": 2}
    benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **settings)
    rows = table(tmp_path / "out")
    assert len({row["participant_id"] for row in rows}) == 2 and all(float(row["value"]) == 0 for row in rows)


@pytest.mark.slow
def test_another_benchmark_in_the_same_folder_is_refused(entered, toy_cohort, toy_model, tmp_path):
    benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **SETTINGS)
    with pytest.raises(ConflictError):
        benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["noise"], **SETTINGS)


@pytest.mark.parametrize(("key", "word"), [("methods", "steepnes"), ("measures", "hieght")])
def test_an_unknown_name_gets_the_nearest_one(entered, toy_cohort, toy_model, tmp_path, key, word):
    settings = {**SETTINGS, "methods": ["steepness"], key: [word]}
    with pytest.raises(UsageError, match="Did you mean"):
        benchmark(toy_cohort, toy_model, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_template_is_the_mean_map_of_the_method_asked_for(entered, toy_cohort, toy_model, tmp_path):
    settings = {**SETTINGS, "floors": True, "template_of": "steepness", "blur": 0}
    benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["breaks", "steepness"], **settings)
    maps = [read_volume(path).data[0] for path in sorted((tmp_path / "out").glob("sub-*/*steepness_importance.nii.gz"))]
    template = read_volume(tmp_path / "out" / "template.nii.gz").data[0]
    mean, middle = torch.stack(maps).mean(dim=0), (slice(3, 7), slice(4, 8), slice(2, 6))  # brain of everybody
    assert len(maps) == 6 and torch.allclose(template[middle], mean[middle], rtol=1e-5)
    assert float(template[0, 0, 0]) == 0 < float(mean.max())


@pytest.mark.slow
def test_a_metric_can_be_asked_for_by_one_of_its_measures(entered, toy_cohort, toy_model, tmp_path):
    settings = {**SETTINGS, "measures": ["spread"]}
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **settings)
    assert [one["name"] for one in found["measures"]] == ["height", "spread"]


@pytest.mark.slow
def test_a_metric_that_breaks_its_declaration_is_named_and_hinders_nobody(
    entered, toy_cohort, toy_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(Height, "measure", lambda self, case: {"width": 1.0})
    settings = {**SETTINGS, "measures": ["height", "again"], "repeats": 0}
    found = benchmark(toy_cohort, toy_model, tmp_path / "out", methods=["steepness"], **settings)
    assert any("metric 'height' must return" in warning for warning in found["warnings"])
    values = {row["measure"]: row["value"] for row in table(tmp_path / "out")}
    assert values["height"] == "n/a" and float(values["again"]) == 0


@pytest.mark.slow
def test_a_smaller_number_of_subjects_is_drawn_by_the_seed(entered, toy_cohort, toy_model, tmp_path):
    settings = {**SETTINGS, "methods": ["steepness"], "subjects": 3}
    first = benchmark(toy_cohort, toy_model, tmp_path / "a", **settings)
    again = benchmark(toy_cohort, toy_model, tmp_path / "b", **settings)
    assert first["n"] == 3 and first["subjects"] == again["subjects"]


@pytest.mark.slow
def test_the_command_line_writes_tables_and_a_page(entered, toy_cohort, toy_model, tmp_path, run):
    code, out, err = run(
        "benchmark",
        toy_cohort,
        "--predictor",
        toy_model,
        "--methods",
        "steepness,noise",
        "--measures",
        "height",
        "--no-floors",
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    )
    assert code == 0, err
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"measures.tsv", "measures.json", "curves.tsv", "summary.tsv", "benchmark.json", "index.html"} <= written
    assert "index.html" in out
    shutil.rmtree(tmp_path / "out")
