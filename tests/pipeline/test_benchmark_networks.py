"""A benchmark of several networks: one whole benchmark each, the same subjects, and how far they agree."""

from __future__ import annotations

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interpbench import Explainer, Measure, Metric, benchmark, read_volume, train
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.pipeline.benchmarking.asked import MadeBefore
from interpbench.pipeline.benchmarking.entered_networks import named_networks
from interpbench.pipeline.benchmarking.network_maps import NetworkMaps

SHAPE = (6, 7, 5)


class Slope(Explainer):
    """|df/dx|."""

    def explain(self, predictor, volumes):
        inputs = volumes.detach().clone().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
        return gradient[:, 0].abs()


class Bright(Explainer):
    """|x|, which needs no network."""

    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


class Height(Metric):
    measures = (Measure(name="height", unit="", direction="higher", help="the largest value"),)

    def measure(self, case):
        return {"height": float(case.importance.max())}


@pytest.fixture
def entered(toy_plugin):
    for name, explainer in (("steepness", Slope), ("bright", Bright)):
        toy_plugin.offer("explainer", name, explainer)
    toy_plugin.offer("metric", "height", Height)
    return toy_plugin


@pytest.fixture
def models(toy_cohort, toy_model, tmp_path):
    """Two networks of one split: another seed is another network."""
    second = tmp_path / "second" / toy_model.name
    shutil.copytree(toy_model, second)
    split = (toy_model / "split.tsv").read_text()
    shutil.rmtree(second)
    settings = json.loads((toy_model / "model.json").read_text())
    recipe = {"shape": tuple(settings["recipe"]["shape"]), "voxel_size": settings["recipe"]["voxel_size"]}
    train(toy_cohort, second, options={"width": 2, "first_stride": 2}, epochs=1, device="cpu", recipe=recipe, seed=5)
    (second / "split.tsv").write_text(split)
    return [toy_model, second]


SETTINGS = {
    "methods": ["steepness", "bright"],
    "measures": ["height"],
    "device": "cpu",
    "floors": False,
    "processes": 1,
}


def maps_of(values):
    return [torch.as_tensor(np.asarray(one, dtype=np.float32)) for one in values]


def test_mean_and_sd_are_those_of_maps_relative_to_their_mean():
    random = np.random.default_rng(0)
    maps, brain = random.random((3, *SHAPE)), torch.from_numpy(random.random(SHAPE) > 0.3)
    one = NetworkMaps("toy")
    mean, sd = one.add("a", maps_of(maps * [[[[1]]], [[[100]]], [[[-7]]]]), brain, None)
    inside = brain.numpy()
    relative = np.stack([map * inside / map[inside].mean() for map in maps.astype(np.float32)])
    assert np.allclose(mean, relative.mean(0), rtol=1e-5) and np.allclose(sd, relative.std(0, ddof=1), atol=1e-5)
    assert float(mean[brain].mean()) == pytest.approx(1, rel=1e-5) and not mean[~brain].any()


def test_the_spread_over_people_counts_each_voxel_where_people_have_brain():
    everywhere, half = torch.ones(SHAPE, dtype=torch.bool), torch.zeros(SHAPE, dtype=torch.bool)
    half[:3] = True
    one = NetworkMaps("toy")
    one.add("a", maps_of([np.ones(SHAPE), np.ones(SHAPE)]), everywhere, None)
    one.add("b", maps_of([np.ones(SHAPE), np.ones(SHAPE)]), half, None)
    mean, sd = one.spread()
    assert torch.allclose(mean, torch.ones_like(mean)) and not sd.any()


def test_regions_that_rank_people_alike_in_every_network_have_an_icc_of_one():
    random = np.random.default_rng(1)
    regions = torch.zeros(SHAPE, dtype=torch.int64)
    regions[:2], regions[2:4] = 3, 8
    brain, one = torch.ones(SHAPE, dtype=torch.bool), NetworkMaps("toy")
    for person in range(6):
        map = random.random(SHAPE)
        map[:2] *= 1 + person
        one.add(str(person), maps_of([map, 4 * map, 0.5 * map]), brain, regions)
    found = one.figures()
    assert found["correlation"] == {"mean": pytest.approx(1), "interval": None, "n": 6}
    assert set(found["icc"]["regions"]) == {"3", "8"}
    assert found["icc"]["median"] == pytest.approx(1, abs=1e-4) and found["icc"]["profile"] == pytest.approx(
        1, abs=1e-4
    )


def test_networks_that_know_nothing_of_each_other_have_an_icc_near_zero():
    random = np.random.default_rng(2)
    regions = torch.arange(np.prod(SHAPE)).reshape(SHAPE) % 5 + 1
    brain, one = torch.ones(SHAPE, dtype=torch.bool), NetworkMaps("toy")
    for person in range(30):
        one.add(str(person), maps_of(random.random((2, *SHAPE))), brain, regions)
    found = one.figures()
    assert abs(found["correlation"]["mean"]) < 0.05 and abs(found["icc"]["median"]) < 0.3


def test_without_regions_or_subjects_there_is_no_figure_and_no_crash():
    empty = NetworkMaps("toy").figures()
    assert empty["correlation"] == {"mean": None, "interval": None, "n": 0}
    assert empty["icc"] == {"median": None, "profile": None, "regions": {}} and NetworkMaps("toy").spread() is None


def study(name, print="", unit="years"):
    return SimpleNamespace(source=name, fingerprint=print or str(name), predictor=SimpleNamespace(unit=unit))


def test_networks_of_one_name_are_told_apart_and_fits_go_to_their_own(tmp_path):
    for number in (1, 2):
        folder = tmp_path / f"fit{number}"
        folder.mkdir()
        (folder / "fitted.json").write_text(json.dumps({"predictor_sha256": f"{number}"}))
    studies = [study("a/model", "1"), study("b/model", "2"), study("b/other", "3")]
    before = MadeBefore(fitted=[tmp_path / "fit2", tmp_path / "fit1"])
    found = named_networks(studies, before)
    assert [one.name for one in found] == ["model", "model-2", "other"]
    assert [one.before.fitted for one in found] == [[tmp_path / "fit1"], [tmp_path / "fit2"], []]


REFUSED = {
    "the same network twice": ([study("a", "1"), study("b", "1")], {}, "a and b are the same network"),
    "two units": ([study("a"), study("b", unit="kg")], {}, "predict in kg, years"),
    "a fit of another network": ([study("a"), study("b")], {"fitted": "other"}, "belongs to none of the 2 networks"),
    "a folder that is no fit": ([study("a"), study("b")], {"fitted": "."}, "has no fitted.json"),
    "a folder without maps": ([study("a"), study("b")], {"maps": "."}, "has no manifest.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_cannot_be_compared_are_refused(case, tmp_path):
    studies, folders, told = REFUSED[case]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "fitted.json").write_text(json.dumps({"predictor_sha256": "9"}))
    before = MadeBefore(**{name: [tmp_path / folder] for name, folder in folders.items()})
    with pytest.raises((UsageError, InputError), match=told):
        named_networks(studies, before)


@pytest.mark.slow
def test_two_networks_are_measured_on_the_same_subjects_and_compared(entered, toy_cohort, models, tmp_path):
    out = tmp_path / "out"
    found = benchmark(toy_cohort, models, out, subjects=0, split=None, **SETTINGS)
    names = [one["name"] for one in found["networks"]]
    assert names == [models[0].name, f"{models[1].name}-2"] and found["same_grid"]
    each = [json.loads((out / "networks" / name / "benchmark.json").read_text()) for name in names]
    assert each[0]["subjects"] == each[1]["subjects"] and found["n"] == len(each[0]["subjects"])
    assert found["maps"]["bright"]["correlation"]["mean"] == pytest.approx(1)  # it does not read the network
    assert found["maps"]["steepness"]["correlation"]["mean"] < 0.99
    ranking = found["rankings"]["height"]
    assert set(ranking["ranks"]) == set(names) and set(ranking["methods"]) == {"steepness", "bright"}
    with (out / "networks.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 4 and all(float(row["mean"]) > 0 for row in rows)
    sd = read_volume(out / "between" / "bright_sd.nii.gz", constant_ok=True).data
    assert not sd.any() and read_volume(out / "between" / "steepness_sd.nii.gz").data.any()
    page = (out / "index.html").read_text()
    assert all(f'href="networks/{name}/index.html"' in page for name in names) and "Ranks of methods" in page


@pytest.mark.slow
def test_the_same_command_goes_on_and_other_networks_are_refused(entered, toy_cohort, models, tmp_path):
    out = tmp_path / "out"
    first = benchmark(toy_cohort, models, out, split=None, subjects=4, **SETTINGS)
    kept = next((out / "networks").glob("*/sub-*/*importance.nii.gz")).stat().st_mtime_ns
    again = benchmark(toy_cohort, models, out, split=None, subjects=4, **SETTINGS)
    assert again == first
    assert next((out / "networks").glob("*/sub-*/*importance.nii.gz")).stat().st_mtime_ns == kept
    with pytest.raises(ConflictError):
        benchmark(toy_cohort, models[::-1], out, split=None, subjects=5, **SETTINGS)


@pytest.mark.slow
def test_networks_without_a_common_test_subject_are_refused(entered, toy_cohort, models, tmp_path):
    place = models[1] / "split.tsv"
    text = place.read_text().replace("\ttest", "\tother").replace("\ttrain", "\ttest").replace("\tother", "\ttrain")
    place.write_text(text)
    with pytest.raises(InputError, match="No subject is in the test split of all 2 networks"):
        benchmark(toy_cohort, models, tmp_path / "out", **SETTINGS)
    assert not (tmp_path / "out").exists()
