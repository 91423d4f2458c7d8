"""A third party's plugin, installed as a distribution of its own, works by name from the command line."""

from __future__ import annotations

import importlib.util
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nibabel
import numpy as np
import pytest

import interpbench
from interpbench.cli import main
from interpbench.testing import AggregatorContract, ExplainerContract

try:
    INSTALLED = version("interpbench-sample")
except PackageNotFoundError:
    INSTALLED = ""

# tox installs it; so within tox its absence is a failure.
pytestmark = pytest.mark.skipif(
    not INSTALLED and "TOX_ENV_NAME" not in os.environ,
    reason="the sample plugin is not installed: pip install tests/sample_plugin",
)

SHAPE = (12, 14, 10)  # on disk; the network sees two voxels less an edge
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three subjects, an ellipsoid each, as NIfTI with a table."""
    folder = tmp_path_factory.mktemp("cohort")
    random = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, edge) for edge in SHAPE), indexing="ij")
    inside = sum(axis**2 for axis in axes) < 1
    rows = ["participant_id\tage\tsplit\timage"]
    for number in (1, 2, 3):
        voxels = np.where(inside, random.uniform(50, 150, SHAPE), 0).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), folder / f"{number}.nii.gz")
        rows.append(f"sub-{number}\t{40 + number}\ttest\t{number}.nii.gz")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A predictor with the weights it was born with, as a model folder."""
    from interpbench.registry import discover

    network = discover().load("predictor", "resnet18")(width=2, first_stride=2)
    recipe = interpbench.Recipe(shape=(10, 12, 8), voxel_size=4.0)
    folder = tmp_path_factory.mktemp("model")
    interpbench.save_predictor(folder, network.loaded(network.build(recipe.shape), recipe), name="resnet18", details={})
    return folder


@pytest.fixture(scope="module")
def maps(cohort, model, tmp_path_factory):
    """Maps by the sample plugin's explainer."""
    out = tmp_path_factory.mktemp("maps") / "out"
    run("explain", cohort, "--predictor", model, "--method", "slope", "-o", "power=2", "--out", out, "--quiet")
    return out


def test_the_installed_distribution_is_the_one_beside_the_tests():
    assert INSTALLED == "1.2.3"
    source = Path(__file__).parent / "sample_plugin"
    assert source not in Path(importlib.util.find_spec("interpbench_sample").origin).parents


def test_methods_lists_it_with_its_own_distribution(capsys):
    run("methods", "--json")
    found = {(one["kind"], one["name"]): one for one in json.loads(capsys.readouterr().out)["components"]}
    for key in (("explainer", "slope"), ("aggregator", "largest")):
        assert (found[key]["distribution"], found[key]["version"]) == ("interpbench-sample", "1.2.3")


def test_its_explainer_writes_a_map_a_subject_on_the_images_own_grid(maps, cohort):
    for number in (1, 2, 3):
        image = nibabel.load(cohort / f"{number}.nii.gz")
        map = nibabel.load(maps / f"sub-{number}" / f"sub-{number}_desc-slope_importance.nii.gz")
        assert map.shape == image.shape
        np.testing.assert_allclose(map.affine, image.affine, atol=1e-4)
        values = map.get_fdata()
        assert np.isfinite(values).all()
        assert values.max() > 0


def test_a_map_tells_method_distribution_and_options_beside_it(maps):
    text = (maps / "sub-1" / "sub-1_desc-slope_importance.json").read_text()
    for word in ("slope", "interpbench-sample", "1.2.3", '"power": 2.0'):
        assert word in text


def test_its_aggregator_puts_the_maps_together(maps, tmp_path):
    run("aggregate", maps, "--aggregator", "largest", "--out", tmp_path / "population", "--quiet")
    largest = nibabel.load(tmp_path / "population" / "population_largest.nii.gz").get_fdata()
    single = [nibabel.load(file).get_fdata().max() for file in sorted(maps.glob("sub-*/*.nii.gz"))]
    assert largest.max() == pytest.approx(max(single), rel=1e-5)


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
