"""Cubes and atlases as regions, and their deletion curves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from interpbench import Case, NotApplicable, UsageError
from interpbench.testing import linear_predictor, toy_brain, toy_brains
from interpbench_measures.deletion import symmetric_relevance_gain
from interpbench_measures.region_deletion import RegionDeletion, region_means, removals
from interpbench_measures.regions import cubes, numbered, regions_of

SHAPE = (6, 7, 8)
BRAIN = torch.ones(SHAPE, dtype=torch.bool)
QUARTERS = torch.zeros(SHAPE, dtype=torch.int64)  # four regions of 84 voxels each
QUARTERS[:3, :, :4], QUARTERS[3:, :, :4], QUARTERS[:3, :, 4:], QUARTERS[3:, :, 4:] = 1, 2, 3, 4
VOLUME = torch.ones((1, *SHAPE))
ZERO = RegionDeletion(imputers=("zero",), steps=(0.0, 25.0, 50.0, 75.0, 100.0))


def by_region(*values: float) -> torch.Tensor:
    return torch.tensor([0.0, *values])[QUARTERS]


def toy_case(map: torch.Tensor, **changes: Any) -> Case:
    """Years that each quarter adds: 5, 3, 2, 1."""
    predictor = changes.pop("predictor", linear_predictor(by_region(5, 3, 2, 1) / 84))
    volume = changes.setdefault("volume", VOLUME)
    with torch.no_grad():
        prediction = float(predictor.predict(volume[None])[0])
    values: dict[str, Any] = {
        "subject": "01",
        "method": "toy",
        "predictor": predictor,
        "brain": BRAIN,
        "map": map,
        "signed": False,
        "learned": False,
        "prediction": prediction,
        "target": prediction,
        "seed": 5,
        "voxel_size": 4.0,
        "regions": QUARTERS,
    }
    return Case(**(values | changes))


def test_cubes_fill_the_brain_and_nothing_else() -> None:
    brain = toy_brain((13, 17, 15))
    found = cubes(brain, 4)
    assert torch.equal(found > 0, brain)
    assert found.unique().tolist() == list(range(int(found.max()) + 1))


def test_every_cube_holds_at_least_an_eighth_of_brain_after_merging() -> None:
    brain = toy_brain((13, 17, 15))
    sizes = torch.bincount(cubes(brain, 4).flatten())[1:]
    assert int(sizes.min()) >= 4**3 / 8
    assert int(sizes.sum()) == int(brain.sum())


def test_a_crumb_goes_to_the_nearest_cube() -> None:
    brain = torch.zeros((12, 4, 4), dtype=torch.bool)
    brain[:4], brain[8:], brain[5, 0, 0] = True, True, True
    found = cubes(brain, 4)
    assert int(found.max()) == 2
    assert found[5, 0, 0] == found[0, 0, 0] != found[11, 0, 0]


def test_cubes_of_a_box_are_the_box_cut_up() -> None:
    found = cubes(torch.ones((4, 6, 2), dtype=torch.bool), 2)
    assert torch.bincount(found.flatten()).tolist() == [0, *[8] * 6]
    assert len(found[:2, :2].unique()) == 1


def test_numbers_are_without_gaps_and_what_is_0_or_below_is_no_region() -> None:
    assert numbered(torch.tensor([0, 7, 3, 7, -2, 1000])).tolist() == [0, 2, 1, 2, 0, 3]
    assert numbered(torch.zeros(3)).tolist() == [0, 0, 0]


def test_the_edge_of_the_cubes_is_in_millimetres() -> None:
    case = toy_case(VOLUME[0], regions=None)
    assert torch.equal(regions_of(case, 8.0), cubes(BRAIN, 2))


def test_an_atlas_is_cut_to_the_brain() -> None:
    brain = QUARTERS != 2
    assert torch.equal(regions_of(toy_case(VOLUME[0], brain=brain), 20.0), numbered(QUARTERS * brain))


@pytest.mark.parametrize(("regions", "words"), [(None, "one cube of 40 mm"), ((QUARTERS == 1).long(), "one region")])
def test_a_single_region_has_no_order(regions: torch.Tensor | None, words: str) -> None:
    with pytest.raises(NotApplicable, match=words):
        RegionDeletion(edge=40.0, imputers=("zero",)).measure(toy_case(by_region(1, 2, 3, 4), regions=regions))


def test_regions_go_by_their_mean_importance_not_by_its_sum() -> None:
    regions = torch.tensor([[[1, 1, 1, 1, 2, 0]]])
    importance = torch.tensor([[[0.3, 0.3, 0.3, 0.3, 0.9, 9.0]]])
    assert region_means(importance, regions).tolist() == pytest.approx([0.3, 0.9])


def test_removals_reach_every_step_and_come_once() -> None:
    place, sizes = torch.tensor([2, 0, 1]), torch.tensor([10, 60, 30])  # the order of removal: 60, 30, 10
    assert removals(place, sizes, (1.0, 5.0, 60.0, 61.0, 100.0)) == ([1, 2, 3], [60.0, 90.0, 100.0])


def test_curves_are_sums_over_the_regions_that_are_gone() -> None:
    figures = ZERO.measure(toy_case(by_region(0.9, 0.1, 0.4, 0.2)))  # the order: 5, 2, 1, 3 years
    assert figures["region_morf_zero"] == pytest.approx([0, 5, 7, 8, 11], abs=1e-4)
    assert figures["region_lerf_zero"] == pytest.approx([0, 3, 4, 6, 11], abs=1e-4)
    gain = symmetric_relevance_gain(ZERO.steps, [0, 5, 7, 8, 11], [0, 3, 4, 6, 11])
    assert figures["region_srg_zero"] == pytest.approx(gain, abs=1e-4)


def test_between_whole_regions_the_curve_is_a_straight_line() -> None:
    metric = RegionDeletion(imputers=("zero",), steps=(0.0, 10.0, 40.0))
    figures = metric.measure(toy_case(by_region(4, 3, 2, 1)))
    assert figures["region_morf_zero"] == pytest.approx([0, 5 * 10 / 25, 5 + 3 * 15 / 25], abs=1e-4)


def test_the_right_order_gains_most_and_its_reverse_loses_as_much() -> None:
    best = ZERO.measure(toy_case(by_region(5, 3, 2, 1)))["region_srg_zero"]
    reverse = ZERO.measure(toy_case(by_region(1, 2, 3, 5)))["region_srg_zero"]
    another = ZERO.measure(toy_case(by_region(5, 1, 2, 3)))["region_srg_zero"]
    assert reverse == pytest.approx(-best, abs=1e-4)
    assert 0 < another < best


def test_what_belongs_to_no_region_is_never_hidden() -> None:
    regions = torch.where(QUARTERS == 1, 0, QUARTERS)
    predictor = linear_predictor(by_region(5, 0, 0, 0) / 84)
    figures = ZERO.measure(toy_case(by_region(4, 3, 2, 1), regions=regions, predictor=predictor))
    assert figures["region_morf_zero"] == pytest.approx([0] * 5, abs=1e-4)


def test_cubes_are_used_where_there_is_no_atlas_and_figures_do_not_depend_on_the_batch_size() -> None:
    shape = (12, 14, 10)
    brain, volume, map = toy_brain(shape), toy_brains(1, shape)[0], torch.rand(shape)
    metric, shared = RegionDeletion(edge=12.0), {"brain": brain, "volume": volume, "regions": None}
    case = {**shared, "predictor": linear_predictor(0.1 * torch.randn(shape)), "mean_volume": 0 * volume}
    one, many = (metric.measure(toy_case(map, batch_size=size, **case)) for size in (1, 7))
    assert set(one) == {measure.name for measure in metric.measures}
    for measure in metric.measures:
        assert many[measure.name] == pytest.approx(one[measure.name], abs=1e-4)
        assert not measure.steps or len(one[measure.name]) == len(measure.steps)  # type: ignore[arg-type]


def test_without_a_mean_image_only_that_imputer_has_no_figures() -> None:
    figures = RegionDeletion(imputers=("mean", "road")).measure(toy_case(by_region(4, 3, 2, 1)))
    assert math.isnan(figures["region_srg_mean"])  # type: ignore[arg-type]
    assert math.isfinite(figures["region_srg_road"])  # type: ignore[arg-type]


@pytest.mark.parametrize("map", [torch.zeros(SHAPE), torch.arange(2.0).expand(SHAPE[0], SHAPE[1], 4, 2).flatten(2)])
def test_a_map_that_is_the_same_in_every_region_has_no_figures(map: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match="the same everywhere"):
        ZERO.measure(toy_case(map))


def test_options_that_cannot_be_right_are_refused() -> None:
    with pytest.raises(UsageError, match="edge of RegionDeletion"):
        RegionDeletion(edge=0.0)
    with pytest.raises(UsageError, match="steps of RegionDeletion"):
        RegionDeletion(steps=(5.0, 10.0))
