"""Maps of several networks, read from their benchmarks' folders: mean and SD on disk, and who is left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interpbench import read_volume
from interpbench.cohort.subjects import Subject
from interpbench.files.atomic import write_json
from interpbench.images.volume import write_map
from interpbench.pipeline.benchmarking.network_maps import compare_network_maps

SHAPE, AFFINE = (4, 5, 3), np.diag([2.0, 2.0, 2.0, 1.0])
NETWORKS = ("first", "second", "third")


def subject(label):
    return Subject(label, Path(f"{label}.nii.gz"))


def brain_of(label):
    """A brain that differs between people."""
    inside = torch.ones(SHAPE, dtype=torch.bool)
    inside[int(label) % SHAPE[0]] = False
    return inside


def prepare(one):
    return SimpleNamespace(brain=brain_of(one.id), affine=AFFINE)


def no_regions(_subject, _prepared):
    return None


@pytest.fixture
def runs(tmp_path):
    """Three networks' folders with maps of three people by two methods, and the maps themselves."""
    random = np.random.default_rng(0)
    maps = {}
    for network in NETWORKS:
        for label in "123":
            for method in ("steep", "flat"):
                values = random.random(SHAPE).astype(np.float32) + 0.1
                maps[network, label, method] = values
                name = f"sub-{label}_space-network_desc-{method}_importance"
                write_map(tmp_path / network / f"sub-{label}" / f"{name}.nii.gz", values, affine=AFFINE)
                write_json(tmp_path / network / f"sub-{label}" / f"{name}.json", {})
    return SimpleNamespace(folders={name: tmp_path / name for name in NETWORKS}, maps=maps, out=tmp_path / "between")


def compared(runs, labels="123", regions=no_regions, one_space=True):
    people = [subject(label) for label in labels]
    methods = ["steep", "flat"]
    return compare_network_maps(runs.folders, methods, people, prepare, regions, runs.out, one_space=one_space)


def relative(runs, label, method):
    """By numpy: each network's map inside the brain, over its mean there, `(networks, I, J, K)`."""
    inside = brain_of(label).numpy()
    found = [runs.maps[network, label, method] * inside for network in NETWORKS]
    return np.stack([one / one[inside].mean() for one in found])


def test_each_persons_mean_and_sd_are_written(runs):
    compared(runs)
    for label in "123":
        stem = runs.out / f"sub-{label}" / f"sub-{label}_desc-steep"
        expected = relative(runs, label, "steep")
        mean, sd = (read_volume(f"{stem}_{name}.nii.gz", constant_ok=True).data[0].numpy() for name in ("mean", "sd"))
        np.testing.assert_allclose(mean, expected.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(sd, expected.std(0, ddof=1), rtol=1e-4, atol=1e-6)


def test_the_mean_over_people_counts_a_voxel_where_it_is_brain(runs):
    compared(runs)
    each = np.stack([relative(runs, label, "flat") for label in "123"])  # (people, networks, I, J, K)
    count = np.stack([brain_of(label).numpy() for label in "123"]).sum(0)
    mean = read_volume(runs.out / "flat_mean.nii.gz", constant_ok=True).data[0].numpy()
    sd = read_volume(runs.out / "flat_sd.nii.gz", constant_ok=True).data[0].numpy()
    np.testing.assert_allclose(mean, each.mean(1).sum(0) / count, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sd, np.sqrt(each.var(1, ddof=1).sum(0) / count), rtol=1e-4, atol=1e-6)


def test_images_that_share_no_space_have_no_map_of_all(runs):
    found = compared(runs, one_space=False)
    assert not list(runs.out.glob("*.nii.gz")) and len(list(runs.out.glob("sub-*/*.nii.gz"))) == 12
    assert all(one.spread() is None and len(one.correlations) == 3 for one in found.values())


@pytest.mark.parametrize("lost", ["_importance.nii.gz", "_importance.json"])
def test_a_person_without_a_map_of_one_network_is_left_out_of_that_method(runs, lost):
    (runs.folders["second"] / "sub-2" / f"sub-2_space-network_desc-steep{lost}").unlink()
    found = compared(runs)
    assert set(found["steep"].correlations) == {"1", "3"} and set(found["flat"].correlations) == {"1", "2", "3"}
    assert not (runs.out / "sub-2" / "sub-2_desc-steep_mean.nii.gz").exists()


def test_a_map_of_zeros_has_no_relative_importance_and_is_left_out(runs):
    path = runs.folders["third"] / "sub-1" / "sub-1_space-network_desc-flat_importance.nii.gz"
    write_map(path, np.zeros(SHAPE, np.float32), affine=AFFINE)
    found = compared(runs)
    assert set(found["flat"].correlations) == {"2", "3"} and set(found["steep"].correlations) == {"1", "2", "3"}


def test_the_last_person_left_out_does_not_take_the_map_of_all_with_it(runs):
    (runs.folders["first"] / "sub-3" / "sub-3_space-network_desc-steep_importance.nii.gz").unlink()
    compared(runs)
    mean = read_volume(runs.out / "steep_mean.nii.gz", constant_ok=True).data[0].numpy()
    each = np.stack([relative(runs, label, "steep").mean(0) for label in "12"])
    count = np.stack([brain_of(label).numpy() for label in "12"]).sum(0)
    np.testing.assert_allclose(mean, each.sum(0) / np.maximum(count, 1), rtol=1e-5, atol=1e-6)


def test_a_region_that_somebody_lacks_has_no_intraclass_correlation(runs):
    def regions(one, prepared):
        found = torch.zeros(SHAPE, dtype=torch.int64)
        found[:, :2], found[:, 2:4] = 5, 7
        if one.id == "2":
            found[found == 7] = 0
        return found

    figures = compared(runs, regions=regions)["steep"].figures()
    assert set(figures["icc"]["regions"]) == {"5"} and figures["icc"]["regions"]["5"]["n"] == 3
