"""Importance by region of each person's own anatomy, on toys whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

SHAPE = (24, 26, 22)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = [-46.0, -50.0, -42.0]  # the midline lies between two voxels of the first axis


def ball(centre, radius):
    grid = np.stack(np.meshgrid(*(np.arange(edge) for edge in SHAPE), indexing="ij"), -1)
    return torch.from_numpy(np.linalg.norm(grid - np.array(centre), axis=-1) <= radius)


@pytest.fixture
def brain():
    return ball((11.5, 12.5, 10.5), 10)


def table(folder, names):
    path = folder / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{number},{name}\n" for number, name in names.items()))
    return path


NAMES = {
    4: "3rdVentricle",
    11: "4thVentricle",
    31: "Amygdala_R",
    35: "BrainStem",
    36: "Caudate_R",
    38: "CerebellumExterior_R",
    47: "Hippocampus_R",
    48: "Hippocampus_L",
    49: "InfLatVentricle_R",
    51: "LateralVentricle_R",
    57: "Putamen_R",
    59: "ThalamusProper_R",
    69: "unnamed",
    81: "Frontal_WM_R",
    100: "AnteriorCingulateGyrus_R",
    102: "AnteriorInsula_R",
    120: "FrontalPole_R",
    122: "FusiformGyrus_R",
    160: "OccipitalFusiformGyrus_R",
    168: "Precuneus_R",
}


def test_each_region_of_a_segmentation_is_in_one_group(benchmarks, tmp_path):
    found = benchmarks.person_regions.grouped(table(tmp_path, NAMES))
    assert found["hippocampus"] == [47, 48] and found["lateral ventricle"] == [51]
    assert found["inferior lateral ventricle"] == [49] and found["white matter"] == [81]
    assert found["temporal cortex"] == [122] and found["occipital cortex"] == [160] and found["frontal cortex"] == [120]
    every = [number for numbers in found.values() for number in numbers]
    assert sorted(every) == sorted(set(NAMES) - {69})


def test_a_table_without_a_group_is_refused(benchmarks, tmp_path):
    less = {number: name for number, name in NAMES.items() if name != "BrainStem"}
    with pytest.raises(ValueError, match="no region for brainstem"):
        benchmarks.person_regions.grouped(table(tmp_path, less))


def test_coverage_keeps_volumes_on_a_coarser_grid(benchmarks):
    labels = np.zeros((24, 24, 24), dtype=int)
    labels[4:12, 4:12, 4:12] = 7
    fine = np.eye(4)
    coarse = np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:3, 3] = 0.5
    cover = benchmarks.person_regions.coverage(labels, fine, {"cube": [7], "nothing": [9]}, (12, 12, 12), coarse)
    assert cover.shape == (2, 12, 12, 12) and not cover[1].any()
    assert float(cover[0].sum()) * 8 == pytest.approx(8**3, rel=0.02)
    assert float(cover[0, 3, 3, 3]) == pytest.approx(1, abs=0.01)


def test_an_even_map_is_at_the_brains_mean_everywhere_and_at_chance_by_size(benchmarks, brain):
    parts = benchmarks.person_regions
    cover = (ball((7, 12, 10), 2) & brain).float()
    even = brain.float() * 3
    assert parts.relative_importance(even, brain, cover[None]) == pytest.approx([1.0])
    assert parts.standing_by_size(even, brain, cover, np.random.default_rng(0)) == 0.5


def test_relative_importance_is_a_ratio_of_means_weighted_by_cover(benchmarks, brain):
    random = np.random.default_rng(3)
    map = torch.from_numpy(random.random(SHAPE)) * brain
    cover = torch.from_numpy(random.random((2, *SHAPE)))
    found = benchmarks.person_regions.relative_importance(map, brain, cover)
    inside = brain.numpy()
    values = map.numpy()[inside]
    byhand = [np.average(values, weights=one.numpy()[inside]) / values.mean() for one in cover]
    assert found == pytest.approx(byhand)


@pytest.mark.parametrize("what", ["a map of zeros", "an empty region"])
def test_what_has_no_mean_is_nan(benchmarks, brain, what):
    map = torch.zeros(SHAPE) if what == "a map of zeros" else brain.float()
    cover = torch.zeros(SHAPE) if what == "an empty region" else brain.float()
    assert np.isnan(benchmarks.person_regions.relative_importance(map, brain, cover[None])).all()


@pytest.mark.parametrize(("sign", "standing"), [(1, 1.0), (-1, 0.0)])
def test_the_most_important_region_stands_above_all_tissue_of_its_size(benchmarks, brain, sign, standing):
    cover = (ball((7, 12, 10), 2) & brain).float()
    map = brain.float() + sign * 0.5 * cover
    found = benchmarks.person_regions.standing_by_size(map, brain, cover, np.random.default_rng(0))
    assert found == standing


def test_a_region_in_noise_stands_at_chance_on_average(benchmarks, brain):
    random = np.random.default_rng(5)
    cover = (ball((7, 12, 10), 2) & brain).float()
    found = [
        benchmarks.person_regions.standing_by_size(
            torch.from_numpy(random.random(SHAPE).astype(np.float32)) * brain, brain, cover, random, draws=40
        )
        for _ in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(60))


@pytest.mark.parametrize("cover", ["nothing", "the whole brain"])
def test_a_region_that_has_no_other_place_has_no_standing(benchmarks, brain, cover):
    region = torch.zeros(SHAPE) if cover == "nothing" else brain.float()
    assert np.isnan(benchmarks.person_regions.standing_by_size(brain.float(), brain, region, np.random.default_rng(0)))


def test_a_region_on_both_sides_is_taken_apart_and_one_on_the_midline_is_not(benchmarks):
    left, right = ball((5, 12, 10), 2).float(), ball((18, 12, 10), 2).float()
    found = benchmarks.person_regions.sides(left + right, AFFINE)
    assert len(found) == 2 and torch.equal(found[0], left) and torch.equal(found[1], right)
    middle = ball((11.5, 12, 10), 2).float()
    (whole,) = benchmarks.person_regions.sides(middle, AFFINE)
    assert torch.equal(whole, middle)


def test_a_correlation_is_spearmans_and_a_third_value_is_taken_out(benchmarks):
    random = np.random.default_rng(1)
    age = random.normal(size=300)
    a, b = age + random.normal(size=300), age + random.normal(size=300)
    plain = benchmarks.region_statistics.correlation(a, b)
    assert plain["r"] == pytest.approx(spearmanr(a, b).statistic) and plain["n"] == 300
    assert plain["interval"][0] < plain["r"] < plain["interval"][1]
    partial = benchmarks.region_statistics.correlation(a, b, given=age)
    ab, aage, bage = (spearmanr(x, y).statistic for x, y in ((a, b), (a, age), (b, age)))
    assert partial["r"] == pytest.approx((ab - aage * bage) / np.sqrt((1 - aage**2) * (1 - bage**2)))
    assert partial["interval"][0] < 0 < partial["interval"][1]


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 1, 1, 1, 1], [np.nan, np.nan, 1, 2, 3]])
def test_a_correlation_of_too_little_is_unknown(benchmarks, values):
    found = benchmarks.region_statistics.correlation(np.array(values, float), np.arange(len(values), dtype=float))
    assert found["r"] is None and found["interval"] is None


def test_folds_are_put_together_by_person(benchmarks):
    def fold(labels):
        sizes = ("hippocampus", *benchmarks.region_statistics.VENTRICLES)
        return {
            "groups": ["hippocampus", "insula"],
            "subjects": {
                label: {"age": 20.0 + n, "prediction": 22.0 + n, "volumes_ml": [n + 1.0, 5.0, 100.0]}
                for n, label in labels
            },
            "methods": {
                "toy": {
                    label: {"relative": [2.0 + n, 0.5], "by_size": dict.fromkeys(sizes, 0.75)} for n, label in labels
                }
            },
        }

    found = benchmarks.region_statistics.collected([fold([(0, "a"), (1, "b"), (2, "c")]), fold([(3, "d"), (4, "e")])])
    assert found["subjects"] == 5 and found["mae"]["mean"] == 2.0
    hippocampus = found["regions"]["toy"]["hippocampus"]
    assert hippocampus["relative"]["mean"] == 4.0 and hippocampus["relative"]["n"] == 5
    assert hippocampus["with_age"]["r"] == hippocampus["with_volume"]["r"] == pytest.approx(1)
    assert found["regions"]["toy"]["insula"]["by_size"] is None
    assert found["claim"]["toy"]["ventricles"]["mean"] == 0.75
