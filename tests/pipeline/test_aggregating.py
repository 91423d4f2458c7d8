"""`aggregate`: the population's maps are what the subjects' maps add up to, in one space."""

from __future__ import annotations

import json
import shutil
import types
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Aggregator, Explainer, aggregate, explain, load_predictor
from interpbench.errors import ConflictError, InputError, PluginError, SubjectsFailed
from interpbench.pipeline.aggregating import _doubt, paint_above


class Brightness(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


class Mean(Aggregator):
    """Mean map, and how much brain the subjects had together."""

    pictured = "mean"

    def __init__(self):
        self.maps, self.brains = [], []

    def add(self, map):
        self.maps.append(map.double())

    def add_brain(self, brain):
        self.brains.append(brain)

    def merge(self, other):
        self.maps += other.maps

    def result(self):
        counted = torch.stack(self.brains).float().sum(0)
        return {"count": counted.numpy(), "mean": torch.stack(self.maps).mean(0)}


class Broken(Mean):
    def result(self):
        raise ZeroDivisionError("nothing to divide by")


@pytest.fixture(autouse=True)
def components(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("explainer", "brightness", Brightness)
    toy_plugin.offer("aggregator", "mean", Mean)
    toy_plugin.offer("aggregator", "broken", Broken)


@pytest.fixture
def maps(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Path:
    explain(toy_cohort, toy_model, tmp_path / "maps", method="brightness", device="cpu")
    return tmp_path / "maps"


def values(path: Path) -> np.ndarray:
    return nibabel.load(path).get_fdata()


def inputs(maps: Path, cohort: Path, model: Path) -> list:
    recipe = load_predictor(model).recipe
    return [recipe.prepare(cohort / f"{folder.name[4:]}.nii.gz") for folder in sorted(maps.glob("sub-*"))]


def test_the_population_map_is_the_mean_of_the_maps_on_the_networks_grid(
    maps: Path, toy_cohort: Path, toy_model: Path, tmp_path: Path
) -> None:
    aggregate(maps, tmp_path / "out", aggregator="mean")
    prepared = inputs(maps, toy_cohort, toy_model)
    expected = np.mean([one.volume[0].abs().numpy() for one in prepared], axis=0)
    found = nibabel.load(tmp_path / "out" / "population_mean.nii.gz")
    np.testing.assert_allclose(found.get_fdata(), expected, rtol=1e-5)
    np.testing.assert_allclose(found.affine, prepared[0].affine)


def test_background_and_brain_are_those_of_the_images(
    maps: Path, toy_cohort: Path, toy_model: Path, tmp_path: Path
) -> None:
    aggregate(maps, tmp_path / "out", aggregator="mean")
    prepared = inputs(maps, toy_cohort, toy_model)
    images = np.stack([one.volume[0].numpy() for one in prepared])
    brains = np.stack([one.brain.numpy() for one in prepared])
    np.testing.assert_allclose(values(tmp_path / "out" / "population_background.nii.gz"), images.mean(0), atol=1e-6)
    np.testing.assert_array_equal(values(tmp_path / "out" / "population_brain.nii.gz"), brains.mean(0) >= 0.5)
    np.testing.assert_array_equal(values(tmp_path / "out" / "population_count.nii.gz"), brains.sum(0))


def test_the_record_and_the_picture_are_there(maps: Path, toy_model: Path, tmp_path: Path) -> None:
    summary = aggregate(maps, tmp_path / "out", aggregator="mean")
    assert (tmp_path / "out" / "population.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "out" / "population.json").read_text()) == summary
    assert (summary["n"], summary["predictor_unit"], summary["pictured"]) == (6, "years", "mean")
    assert len(summary["maps"]) == 6
    assert summary["voxel_size_mm"] == load_predictor(toy_model).recipe.voxel_size
    assert not any("its picture is empty" in words for words in summary["warnings"])


class Darkness(Mean):
    def result(self):
        return {name: -torch.as_tensor(values).abs() for name, values in super().result().items()}


def test_a_picture_without_a_value_above_zero_is_warned_of(
    maps: Path, toy_plugin: types.ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    toy_plugin.offer("aggregator", "darkness", Darkness)
    summary = aggregate(maps, tmp_path / "out", aggregator="darkness")
    words = "population map 'mean' has no value above 0 in the brain: its picture is empty"
    assert words in summary["warnings"]
    assert words in caplog.text
    assert (tmp_path / "out" / "population.png").is_file()


@pytest.mark.slow
def test_the_same_maps_give_the_same_bytes(maps: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        aggregate(maps, tmp_path / name, aggregator="mean")
    for file in ("population_mean.nii.gz", "population.json", "population.png"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_map_that_changed_is_left_out_and_listed(maps: Path, tmp_path: Path) -> None:
    changed, other, *_ = sorted(maps.glob("sub-*/*.nii.gz"))
    changed.write_bytes(other.read_bytes())
    with pytest.raises(SubjectsFailed, match="changed after the map was made"):
        aggregate(maps, tmp_path / "out", aggregator="mean")
    assert json.loads((tmp_path / "out" / "population.json").read_text())["n"] == 5


def test_images_that_share_no_space_have_no_population(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    model, cohort = tmp_path / "model", tmp_path / "cohort"
    shutil.copytree(toy_model, model)
    record = json.loads((model / "model.json").read_text())
    record["recipe"]["centre"] = None
    (model / "model.json").write_text(json.dumps(record))
    shutil.copytree(toy_cohort, cohort)
    image = nibabel.load(cohort / "08.nii.gz")
    affine = image.affine.copy()
    affine[:3, 3] += 31.0
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), affine), cohort / "08.nii.gz")
    explain(cohort, model, tmp_path / "maps", method="brightness", participants=["07", "08"], device="cpu")
    with pytest.raises(InputError, match="do not lie in one space"):
        aggregate(tmp_path / "maps", tmp_path / "out", aggregator="mean")
    assert not (tmp_path / "out" / "population.json").exists()


def test_an_aggregator_that_fails_is_told_as_its_own_fault(maps: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="aggregator 'broken' failed: ZeroDivisionError"):
        aggregate(maps, tmp_path / "out", aggregator="broken")


def test_of_other_maps_the_population_is_made_anew_and_said_so(
    maps: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = aggregate(maps, tmp_path / "out", aggregator="mean")
    shutil.rmtree(min(maps.glob("sub-*")))
    with caplog.at_level("WARNING", "interpbench"):
        after = aggregate(maps, tmp_path / "out", aggregator="mean")
    assert after["n"] == before["n"] - 1
    assert len([words for words in caplog.messages if "computed again" in words]) == 1
    with pytest.raises(ConflictError, match="aggregator is"):
        aggregate(maps, tmp_path / "out", aggregator="population")


def test_a_map_is_painted_in_its_top_tenth_unless_it_is_thresholded_itself() -> None:
    map = torch.arange(1000.0).reshape(10, 10, 10)
    brain = torch.ones(10, 10, 10, dtype=torch.bool)
    assert int((map > paint_above(map, brain)).sum()) == 100
    sparse = torch.where(map > 950, map, 0.0)
    assert paint_above(sparse, brain) == pytest.approx(0.1 * float(map.max()))


@pytest.mark.parametrize(
    ("sentences", "signed", "told"),
    [
        ([], False, None),
        (["the mean is as good"], False, "the mean is as good"),
        (["one", "two", "three"], False, "one (2 more in population.json)"),
        ([], True, "the map is signed, and its values below 0 are not shown"),
        (["one", "two"], True, "one (1 more in population.json); the map is signed, and its values below 0 are"),
    ],
)
def test_a_picture_warns_of_the_predictor_and_of_values_that_it_does_not_show(
    sentences: list[str], signed: bool, told: str | None
) -> None:
    found = _doubt(sentences, signed=signed)
    assert found is None if told is None else str(found).startswith(told)


def test_a_folder_without_maps_is_told(toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder of maps"):
        aggregate(toy_model, tmp_path / "out", aggregator="mean")
