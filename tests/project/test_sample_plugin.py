"""A third party's plugin, installed as a distribution of its own, works by name from the command line."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nibabel
import numpy as np
import pytest

from interpbench.cli import main
from interpbench.testing import AggregatorContract, ExplainerContract, MetricContract

try:
    INSTALLED = version("interpbench-sample")
except PackageNotFoundError:
    INSTALLED = ""

# tox installs it; so within tox its absence is a failure.
pytestmark = pytest.mark.skipif(
    not INSTALLED and "TOX_ENV_NAME" not in os.environ,
    reason="the sample plugin is not installed: pip install tests/sample_plugin",
)


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def maps(toy_cohort, toy_model, tmp_path_factory):
    """Maps of the test split, six subjects, by the sample plugin's explainer."""
    out = tmp_path_factory.mktemp("maps") / "out"
    run("explain", toy_cohort, "--predictor", toy_model, "--method", "slope", "-o", "power=2", "--out", out, "--quiet")
    return out


def test_the_installed_distribution_is_the_one_beside_the_tests():
    assert INSTALLED == "1.2.3"
    source = Path(__file__).parents[1] / "sample_plugin"
    assert source not in Path(importlib.util.find_spec("interpbench_sample").origin).parents


def test_methods_lists_it_with_its_own_distribution(capsys):
    run("methods", "--json")
    found = {(one["kind"], one["name"]): one for one in json.loads(capsys.readouterr().out)["components"]}
    for key in (("explainer", "slope"), ("aggregator", "largest"), ("metric", "centre")):
        assert (found[key]["distribution"], found[key]["version"]) == ("interpbench-sample", "1.2.3")


def test_the_page_of_its_metric_says_what_it_measures(capsys):
    run("methods", "centre_distance")
    out = capsys.readouterr().out
    assert "metric centre, from interpbench-sample 1.2.3" in out
    assert (
        "centre_distance  From the truth's centre to the map's (mm; lower is better; needs a known ground truth)" in out
    )


def test_its_explainer_writes_a_map_a_subject_on_the_images_own_grid(maps, toy_cohort):
    files = sorted(maps.glob("sub-*/sub-*_desc-slope_importance.nii.gz"))
    assert len(files) == 6
    for file in files:
        map, image = nibabel.load(file), nibabel.load(toy_cohort / f"{file.parent.name.removeprefix('sub-')}.nii.gz")
        assert map.shape == image.shape
        np.testing.assert_allclose(map.affine, image.affine, atol=1e-4)
        values = map.get_fdata()
        assert np.isfinite(values).all()
        assert values.max() > 0


def test_a_map_tells_method_distribution_and_options_beside_it(maps):
    for file in maps.glob("sub-*/*.json"):
        text = file.read_text(encoding="utf-8")
        assert all(word in text for word in ('"slope"', "interpbench-sample", "1.2.3", '"power": 2.0'))


def test_its_aggregator_puts_the_maps_together(maps, tmp_path):
    run("aggregate", maps, "--aggregator", "largest", "--out", tmp_path / "population", "--quiet")
    largest = nibabel.load(tmp_path / "population" / "population_largest.nii.gz").get_fdata()
    single = [nibabel.load(file).get_fdata().max() for file in maps.glob("sub-*/*.nii.gz")]
    assert largest.max() == pytest.approx(max(single), rel=1e-5)


@pytest.mark.slow
def test_its_method_and_its_measure_are_in_the_table_of_a_benchmark(toy_cohort, toy_model, tmp_path):
    truth = np.zeros((12, 14, 10), np.float32)
    truth[4:8, 5:9, 3:7] = 1  # the toy cohort's cube
    affine = nibabel.load(next(toy_cohort.glob("*.nii.gz"))).affine
    nibabel.save(nibabel.Nifti1Image(truth, affine), tmp_path / "truth.nii.gz")
    out = tmp_path / "bench"
    words = ["--methods", "slope,saliency", "--measures", "centre", "-o", "centre.power=1", "--no-floors", "--quiet"]
    run("benchmark", toy_cohort, "--predictor", toy_model, "--truth", tmp_path / "truth.nii.gz", "--out", out, *words)
    with (out / "measures.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["measure"] for row in rows} == {"centre_distance"}
    slope, saliency = ([float(row["value"]) for row in rows if row["method"] == name] for name in ("slope", "saliency"))
    assert len(slope) == 6
    assert all(0 < distance < 40 for distance in slope)  # mm
    np.testing.assert_allclose(slope, saliency, rtol=1e-3)  # both are |gradient|
    found = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))
    measure = found["measures"][0]
    assert (measure["name"], measure["unit"], measure["direction"]) == ("centre_distance", "mm", "lower")
    named = "centre distance (having its centre where the truth has it; lower is better): "
    assert any(sentence.startswith(named) for sentence in found["verdict"])
    limits = "centre_distance cannot tell a map of both hippocampi from one of what lies between them."
    assert found["verdict"].count(limits) == 1
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "mean rank over centre distance" in page


class TestSlope(ExplainerContract):
    @pytest.fixture
    def explainer(self):
        from interpbench_sample.explainer import Slope

        return Slope(power=2.0)


class TestLargest(AggregatorContract):
    @pytest.fixture
    def aggregator(self):
        from interpbench_sample.aggregator import Largest

        return Largest()


class TestCentreDistance(MetricContract):
    @pytest.fixture
    def metric(self):
        from interpbench_sample.metric import CentreDistance

        return CentreDistance(power=1.0)
