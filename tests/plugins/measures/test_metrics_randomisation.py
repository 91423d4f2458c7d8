"""Randomised weights: what reads them changes with them, what does not stays, and a learned method learns again."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from interpbench import InputError, NotApplicable, Predictor, UsageError
from interpbench.errors import ResourceError
from interpbench.testing import (
    ToyPredictor,
    constant_predictor,
    linear_predictor,
    toy_brain,
    toy_case,
    toy_volume,
)
from interpbench.testing.cases import slope
from interpbench_measures.randomisation import Randomisation, likeness
from interpbench_measures.shuffling import LEVELS, randomised

SHAPE = (12, 14, 10)
BRAIN = toy_brain(SHAPE)
NAMES = [f"randomised_{kind}_{level}" for kind in ("spearman", "ssim") for level in LEVELS]


def linear() -> ToyPredictor:
    return linear_predictor(torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)))


def two_layers() -> ToyPredictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
        network(torch.zeros(1, 1, *SHAPE))
    return ToyPredictor(network, SHAPE)


def gradient(predictor: Predictor, volume: Tensor):
    """A method that shows the network's slope."""
    return lambda **changed: slope(changed["predictor"] or predictor, volume)


def figures(predictor: ToyPredictor, map: Tensor, again, **fields) -> dict:
    return dict(Randomisation().measure(toy_case(predictor, map, again=again, **fields)))


def test_the_gradient_of_a_linear_model_is_lost_with_its_weights() -> None:
    predictor, volume = linear(), toy_volume(SHAPE)
    found = figures(predictor, slope(predictor, volume), gradient(predictor, volume), signed=True)
    for level in LEVELS:
        assert abs(found[f"randomised_spearman_{level}"]) < 0.1
        assert found[f"randomised_ssim_{level}"] < 0.3
    assert found["refitted_spearman"] == 1.0  # nothing is fitted


def test_each_figure_is_the_likeness_to_the_map_of_that_network() -> None:
    predictor, volume = linear(), toy_volume(SHAPE)
    map = slope(predictor, volume)
    found = figures(predictor, map, gradient(predictor, volume), signed=True, run_seed=5)
    for level in LEVELS:
        other = slope(randomised(predictor, level, 5), volume)
        expected = likeness(map, other, BRAIN.numpy())
        assert (found[f"randomised_spearman_{level}"], found[f"randomised_ssim_{level}"]) == pytest.approx(expected)


def test_a_map_of_the_image_does_not_care_about_weights() -> None:
    volume = toy_volume(SHAPE)
    found = figures(linear(), volume[0].abs(), lambda **_: volume[0].abs())
    assert [found[name] for name in NAMES] == pytest.approx([1.0] * 6)


def test_only_what_lies_inside_the_brain_is_compared_and_without_sign_or_size() -> None:
    map = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    other = -1000.0 * map + 3.0 * ~BRAIN
    assert likeness(map, other, BRAIN.numpy()) == pytest.approx((1.0, 1.0))


def test_a_flat_map_is_like_nothing() -> None:
    assert all(math.isnan(value) for value in likeness(torch.ones(SHAPE), torch.rand(SHAPE), BRAIN.numpy()))


def test_every_subject_and_method_meets_the_same_networks() -> None:
    met: list[list[str]] = []

    def again(*, predictor: Predictor, **_) -> Tensor:
        met[-1].append(predictor.fingerprint)
        return torch.rand(SHAPE)

    predictor = linear()
    for subject in range(2):
        shared: dict = {}
        for method in ("one", "two"):
            met.append([])
            figures(predictor, torch.rand(SHAPE), again, subject=subject, method=method, shared=shared, run_seed=3)
    assert met[0] == met[1] == met[2] == met[3]
    assert len(met[0]) == 3
    assert predictor.fingerprint not in met[0]


def test_a_learned_method_is_fitted_again_to_each_network_and_to_the_same() -> None:
    asked: list[Predictor] = []
    map = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))

    def again(*, predictor: Predictor, **_) -> Tensor:
        asked.append(predictor)
        return map + 0.1 * torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))

    predictor = linear()
    found = figures(predictor, map, again, learned=True)
    last = asked[-1]
    assert len(asked) == 4
    assert last.fingerprint == predictor.fingerprint
    assert last is not predictor and last.module is not predictor.module  # asks for a fit of its own
    assert found["refitted_spearman"] == likeness(map, again(predictor=last), BRAIN.numpy())[0] < 1.0


def test_chance_is_near_zero_for_ranks_and_rises_with_smoothness_for_structure() -> None:
    rough = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool3d(rough[None, None], 5, stride=1, padding=2)[0, 0]
    found = [figures(linear(), map, lambda **_: rough) for map in (rough, smooth)]
    assert abs(found[0]["chance_spearman"]) < 0.1
    assert abs(found[1]["chance_spearman"]) < 0.4  # few independent places in so small a brain
    assert found[0]["chance_ssim"] < found[1]["chance_ssim"] < 1.0


def test_a_network_whose_gradient_vanishes_is_no_network_to_compare_with() -> None:
    with pytest.raises(NotApplicable, match=r"the weights of .* are all equal|gradient is zero"):
        figures(constant_predictor(SHAPE), torch.rand(SHAPE), lambda **_: torch.rand(SHAPE))


def test_a_prediction_that_is_not_finite_gives_no_figure_at_that_level() -> None:
    weights = torch.zeros(SHAPE)
    outside = (~BRAIN).nonzero()[0]
    weights[tuple(outside)] = math.inf  # times 0: shuffled into the brain or not, no prediction is finite
    weights[BRAIN] = torch.rand(int(BRAIN.sum()))
    with pytest.raises(NotApplicable, match="prediction is not finite"):
        figures(linear_predictor(weights), torch.rand(SHAPE), lambda **_: torch.rand(SHAPE))


def test_a_method_that_does_not_apply_to_one_network_keeps_the_other_figures() -> None:
    map = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    predictor = two_layers()
    refused = randomised(predictor, "all", 0).fingerprint

    def again(*, predictor: Predictor, **_) -> Tensor:
        if predictor.fingerprint == refused:
            raise InputError("this network cannot be learned")
        return map

    found = figures(predictor, map, again)
    silent = {name for name, value in found.items() if math.isnan(value)}
    assert silent == {"randomised_spearman_all", "randomised_ssim_all"}


@pytest.mark.parametrize("error", [NotApplicable("no layer to look at"), InputError("no layer to look at")])
def test_where_no_level_gives_a_map_the_reason_is_told(error: Exception) -> None:
    def again(**_) -> Tensor:
        raise error

    with pytest.raises(NotApplicable, match="no layer to look at"):
        figures(linear(), torch.rand(SHAPE), again)


def test_running_out_of_memory_is_not_taken_for_an_answer() -> None:
    def again(**_) -> Tensor:
        raise ResourceError("memory ran out")

    with pytest.raises(ResourceError):
        figures(linear(), torch.rand(SHAPE), again)


def test_maps_that_are_given_cannot_be_checked() -> None:
    with pytest.raises(NotApplicable, match="cannot be made again"):
        Randomisation().measure(toy_case(linear(), torch.rand(SHAPE), without=["again"]))


def test_some_levels_are_enough_and_save_the_fits_of_the_others() -> None:
    asked: list[Predictor] = []

    def again(*, predictor: Predictor, **_) -> Tensor:
        asked.append(predictor)
        return torch.rand(SHAPE)

    metric = Randomisation(levels=("all",))
    found = metric.measure(toy_case(linear(), torch.rand(SHAPE), again=again, learned=True))
    assert len(asked) == 2
    assert list(found) == [measure.name for measure in metric.measures]
    assert "randomised_ssim_all" in found and "randomised_ssim_last" not in found


@pytest.mark.parametrize("levels", [("first",), (), ("all", "all")])
def test_levels_are_those_that_there_are(levels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="levels of Randomisation must be some of last, half, all, each once"):
        Randomisation(levels=levels)
