"""The case of a linear toy is what it says, and its method can explain again."""

from __future__ import annotations

import math

import pytest
import torch

from interpbench.errors import NotApplicable
from interpbench.testing import (
    cube_predictor,
    failing,
    toy_brain,
    toy_case,
    toy_cube,
    toy_method,
    toy_volume,
    weighted_cube_predictor,
)
from interpbench.testing.cases import KNOWN, random_map, slope
from interpbench.testing.snapshot import Snapshot

SHAPE = (12, 14, 10)
MAP = random_map(SHAPE)


def test_the_weighted_cube_is_linear_and_its_weights_are_its_truth() -> None:
    predictor, volume = weighted_cube_predictor(SHAPE), toy_volume(SHAPE)
    weights = slope(predictor, volume)
    assert torch.equal(weights, predictor.truth)
    assert torch.equal(weights > 0, toy_cube(SHAPE))
    assert float(weights.sum()) == pytest.approx(10.0)
    assert float(weights.max() / weights[weights > 0].min()) == pytest.approx(3.0)
    assert float(predictor.predict(volume[None])[0]) == pytest.approx(60 + float((weights * volume[0]).sum()), abs=1e-4)


@pytest.mark.parametrize("subject", range(6))
def test_hiding_the_cube_of_a_toys_subject_changes_the_prediction_by_many_years(subject: int) -> None:
    case = toy_case(weighted_cube_predictor(SHAPE), MAP, subject=subject)
    hidden = torch.where(toy_cube(SHAPE), case.mean_volume, case.volume)
    assert case.prediction - float(case.predict(hidden[None])[0]) > 10
    assert case.target == pytest.approx(case.prediction + 0.25)


def test_a_case_has_all_that_a_metric_may_look_at() -> None:
    case = toy_case(weighted_cube_predictor(SHAPE), MAP, subject=3, signed=True, batch_size=2)
    assert (case.subject, case.seed, case.signed, case.batch_size, case.forward) == ("003", 3, True, 2, None)
    assert torch.equal(case.truth, toy_cube(SHAPE)) and torch.equal(case.brain, toy_brain(SHAPE))
    assert case.mean_volume.shape == case.reference.shape == case.volume.shape == (1, *SHAPE)
    assert case.voxel_size == case.predictor.recipe.voxel_size


def test_regions_fill_the_brain_and_the_cube_is_one_of_them() -> None:
    regions = toy_case(weighted_cube_predictor(SHAPE), MAP).regions
    assert torch.equal(regions > 0, toy_brain(SHAPE))
    assert torch.equal(regions == regions.max(), toy_cube(SHAPE))
    assert 20 < len(regions.unique()) < 100


@pytest.mark.parametrize("name", KNOWN)
def test_whatever_a_case_may_lack_can_be_left_out(name: str) -> None:
    value = getattr(toy_case(weighted_cube_predictor(SHAPE), MAP, without=[name]), name)
    assert value is None or math.isnan(value)


def test_a_case_that_lacks_what_none_may_lack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a case may omit truth, .* got brain, volume"):
        toy_case(weighted_cube_predictor(SHAPE), MAP, without=["volume", "truth", "brain"])


def test_making_a_case_asks_a_failing_predictor_nothing_and_draws_nothing() -> None:
    predictor = failing(weighted_cube_predictor(SHAPE), call=1)
    before = Snapshot(predictor, map=MAP)
    case = toy_case(predictor, MAP)
    assert (predictor.charge.calls, before.changes()) == (0, [])
    with pytest.raises(Exception, match="forward pass of call 1"):
        case.explain()


# The method


def again(map: torch.Tensor, **changes: object) -> torch.Tensor:
    return toy_method(weighted_cube_predictor(SHAPE), toy_volume(SHAPE), map, signed=True)(**changes)


def test_the_method_gives_its_map_again_where_nothing_changed() -> None:
    assert torch.equal(again(MAP), MAP)
    assert torch.equal(again(MAP, predictor=weighted_cube_predictor(SHAPE), volume=toy_volume(SHAPE)), MAP)


CHANGES = {
    "seed": {"seed": 5},
    "volume": {"volume": toy_volume(SHAPE, 1)},
    "predictor": {"predictor": cube_predictor(SHAPE)},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_method_moves_a_little_with_seed_volume_and_predictor(changes: dict[str, object]) -> None:
    moved = again(MAP, **changes)
    assert torch.equal(moved, again(MAP, **changes))
    assert 0 < float((moved - MAP).abs().mean()) < 0.1


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_method_is_linear_in_its_map_and_a_flat_one_stays_flat(changes: dict[str, object]) -> None:
    torch.testing.assert_close(again(-4 * MAP, **changes), -4 * again(MAP, **changes))
    torch.testing.assert_close(again(torch.ones(SHAPE), **changes), torch.ones(SHAPE))


def test_an_unsigned_map_explained_again_is_nowhere_below_zero() -> None:
    case = toy_case(weighted_cube_predictor(SHAPE), MAP**8)
    assert float(case.explain(volume=case.volume * 20, seed=1).min()) == 0.0


def test_a_case_without_a_method_says_that_its_map_cannot_be_made_again() -> None:
    with pytest.raises(NotApplicable, match="the maps of 'toy' were given"):
        toy_case(weighted_cube_predictor(SHAPE), MAP, without=["again"]).explain()


def test_a_snapshot_tells_of_named_tensors_by_their_names() -> None:
    tensor = torch.zeros(3)
    before = Snapshot(None, torch.ones(2), truth=tensor)
    tensor[0] = 1.0
    assert before.changes() == ["values of 'truth'"]
