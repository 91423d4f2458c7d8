"""Measures of localisation: against scikit-learn where it has them, else against counting or a closed form."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from interpbench import UsageError
from interpbench.testing import cube_predictor, toy_brain, toy_case, toy_cube
from interpbench_measures.localisation import (
    Localisation,
    auc,
    average_precision,
    mass_outside,
    near_to,
    pointing_game,
    relevance_mass,
    relevance_rank,
)

SHAPE = (6, 7, 8)
LEVELS = [1, 2, 5, 10_000]  # of importance; fewer make more ties
INSIDE = ("auc", "average_precision", "relevance_mass", "relevance_mass_ratio", "relevance_rank", "pointing_game")


def made_up(levels: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(levels + seed)
    score = random.integers(0, levels, SHAPE).astype(np.float32) / levels
    return score, random.random(SHAPE) < share


def counted(score: np.ndarray, truth: np.ndarray) -> float:
    """The share of pairs in which the voxel of the truth wins, half for a draw."""
    inside, outside = score[truth][:, None], score[~truth][None]
    return float(((inside > outside) + 0.5 * (inside == outside)).mean())


# AUC


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_it_is_the_share_of_pairs_that_the_truth_wins(levels: int, share: float) -> None:
    score, truth = made_up(levels, share)
    assert auc(score, truth) == pytest.approx(counted(score, truth), abs=1e-12)


@pytest.mark.parametrize("levels", LEVELS)
def test_auc_is_that_of_scikit_learn(levels: int) -> None:
    score, truth = made_up(levels, 0.1)
    assert auc(score, truth) == pytest.approx(roc_auc_score(truth.ravel(), score.ravel()), abs=1e-12)


def test_infinite_scores_have_ranks_too() -> None:
    assert auc([math.inf, 1.0, -math.inf, 0.0], [1, 0, 1, 0]) == 0.5
    assert average_precision([math.inf, math.inf, -math.inf, 0.0], [1, 0, 0, 1]) == pytest.approx(0.5 / 2 + 2 / 3 / 2)


def test_a_flat_map_is_at_chance() -> None:
    truth = np.arange(336).reshape(SHAPE) < 9
    assert auc(np.ones(SHAPE), truth) == 0.5
    for measure in (average_precision, relevance_mass, relevance_rank, pointing_game):
        assert measure(np.ones(SHAPE), truth) == pytest.approx(9 / 336)


def test_the_truth_itself_is_right_and_its_opposite_wrong() -> None:
    truth = np.arange(336).reshape(SHAPE) % 7 == 0
    for measure in (auc, average_precision, relevance_mass, relevance_rank, pointing_game):
        assert measure(truth, truth) == 1.0
    for measure in (auc, relevance_mass, relevance_rank, pointing_game):
        assert measure(~truth, truth) == 0.0


def test_only_the_order_of_scores_matters() -> None:
    score, truth = made_up(10_000, 0.2)
    for measure in (auc, average_precision, relevance_rank, pointing_game):
        assert measure(np.exp(5 * score), truth) == measure(score, truth)
    assert auc(-score, truth) == pytest.approx(1 - auc(score, truth))


@pytest.mark.parametrize("truth", [np.zeros(SHAPE), np.ones(SHAPE)])
def test_without_a_truth_or_with_nothing_else_there_is_no_number(truth: np.ndarray) -> None:
    assert math.isnan(auc(np.random.default_rng(0).random(SHAPE), truth))


def test_tensors_count_as_arrays_do() -> None:
    score, truth = torch.rand(SHAPE), torch.rand(SHAPE) < 0.3
    for measure in (auc, average_precision, relevance_mass, relevance_rank, pointing_game):
        assert measure(score, truth) == measure(score.numpy(), truth.numpy())


def test_scores_that_have_no_rank_and_unequal_shapes_are_refused() -> None:
    for measure in (auc, average_precision, relevance_mass, relevance_rank, pointing_game):
        with pytest.raises(ValueError, match="1 values that are NaN"):
            measure([1.0, math.nan], [0, 1])
        with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
            measure([1.0, 2.0], [0, 1, 1])


# The others


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_average_precision_is_that_of_scikit_learn(levels: int, share: float) -> None:
    score, truth = made_up(levels, share)
    assert average_precision(score, truth) == pytest.approx(
        average_precision_score(truth.ravel(), score.ravel()), abs=1e-12
    )


def test_relevance_mass_is_what_lies_on_the_truth() -> None:
    assert relevance_mass([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 1]) == 0.5


def test_relevance_rank_is_the_truths_share_of_the_highest() -> None:
    score, truth = made_up(10_000, 0.2)
    score += np.linspace(0, 1e-5, score.size).reshape(SHAPE)  # no ties
    highest = np.argsort(-score, axis=None)[: truth.sum()]
    assert relevance_rank(score, truth) == truth.ravel()[highest].mean()


@pytest.mark.parametrize("score", [(1, 1, 1, 0, 2), (0, 0, 0, 0, 0), (3, 1, 1, 1, 0), (1, 1, 2, 2, 2)])
@pytest.mark.parametrize("truth", [(1, 0, 0, 1, 0), (0, 1, 1, 1, 0), (0, 0, 0, 0, 1)])
def test_relevance_rank_breaks_ties_as_all_orders_do_on_average(score: tuple, truth: tuple) -> None:
    values, inside = np.array(score), np.array(truth)
    shares = []
    for order in permutations(range(5)):
        highest = np.array(order)[np.argsort(-values[list(order)], kind="stable")][: inside.sum()]
        shares.append(inside[highest].mean())
    assert relevance_rank(values, inside) == pytest.approx(np.mean(shares))


def test_of_several_highest_voxels_the_share_on_the_truth_counts() -> None:
    assert pointing_game([5, 5, 5, 5, 1], [1, 0, 0, 0, 1]) == 0.25


@pytest.mark.parametrize("measure", [average_precision, relevance_mass, relevance_rank, pointing_game])
def test_without_a_truth_there_is_never_a_hit(measure) -> None:
    assert math.isnan(measure(np.ones(SHAPE), np.zeros(SHAPE)))


def test_near_is_what_the_distance_between_centres_says() -> None:
    truth = np.zeros(SHAPE, dtype=bool)
    truth[1, 2, 3] = truth[4, 6, 0] = True
    places = np.stack(np.meshgrid(*(np.arange(edge) for edge in SHAPE), indexing="ij"), axis=-1)
    distances = [4.0 * np.linalg.norm(places - place, axis=-1) for place in ((1, 2, 3), (4, 6, 0))]
    for tolerance in (0.0, 3.9, 4.0, 7.0, 20.0):
        expected = np.minimum(*distances) <= tolerance
        assert np.array_equal(near_to(truth, tolerance, 4.0), expected)
    assert not near_to(np.zeros(SHAPE), 100.0, 4.0).any()


def test_mass_outside_the_brain_is_what_the_brain_lacks() -> None:
    assert mass_outside([1.0, -2.0, 3.0, -4.0], [1, 1, 0, 0]) == 0.7
    assert math.isnan(mass_outside(np.zeros(4), [1, 1, 0, 0]))


# The metric

TOY = (12, 14, 10)


def figures(map: torch.Tensor, **fields) -> dict:
    return dict(Localisation().measure(toy_case(cube_predictor(TOY), map, **fields)))


def test_the_truth_as_a_map_gets_full_marks() -> None:
    found = figures(toy_cube(TOY).float())
    share = float(toy_cube(TOY).sum() / toy_brain(TOY).sum())
    assert found.pop("mass_outside_brain") == 0.0
    assert found.pop("relevance_mass_ratio") == pytest.approx(1 / share)
    assert found.pop("distractor_mass") == found.pop("distractor_mass_ratio") == 0.0
    assert set(found.values()) == {1.0}


def test_a_flat_map_has_a_mass_ratio_of_one() -> None:
    assert figures(torch.ones(TOY))["relevance_mass_ratio"] == pytest.approx(1.0)


def test_what_lies_outside_the_brain_moves_one_figure_only() -> None:
    map = torch.rand(TOY, generator=torch.Generator().manual_seed(0)) * toy_brain(TOY)
    clean, dirty = figures(map), figures(map + 7.0 * ~toy_brain(TOY))
    assert clean.pop("mass_outside_brain") == 0.0
    assert dirty.pop("mass_outside_brain") > 0.5
    assert clean == dirty


def test_the_sign_of_a_map_is_no_matter_of_place() -> None:
    map = torch.randn(TOY, generator=torch.Generator().manual_seed(0))
    assert figures(map, signed=True) == figures(map.abs())


@pytest.mark.parametrize("truth", [None, torch.zeros(TOY, dtype=torch.bool), ~toy_brain(TOY)])
def test_without_a_truth_in_the_brain_only_the_mass_outside_is_known(truth: torch.Tensor | None) -> None:
    found = figures(torch.ones(TOY), truth=truth)
    assert all(math.isnan(found[name]) for name in INSIDE)
    assert found["mass_outside_brain"] == pytest.approx(float((~toy_brain(TOY)).float().mean()))


def test_a_map_of_zeros_points_nowhere() -> None:
    assert all(math.isnan(value) for value in figures(torch.zeros(TOY)).values())


def test_a_maximum_beside_the_truth_is_a_hit_within_the_tolerance() -> None:
    map = torch.zeros(TOY)
    place = toy_cube(TOY).nonzero()[0]
    map[place[0] - 1, place[1], place[2]] = 1.0  # 4 mm beside
    case = toy_case(cube_predictor(TOY), map)
    assert Localisation(tolerance=4.0).measure(case)["pointing_game"] == 1.0
    assert Localisation(tolerance=3.9).measure(case)["pointing_game"] == 0.0


def test_a_tolerance_below_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="tolerance of Localisation must be at least 0"):
        Localisation(tolerance=-1.0)


# Distractors


def test_importance_on_distractors_is_counted_without_the_truth() -> None:
    map, truth, distractors = torch.zeros(TOY), torch.zeros(TOY).bool(), torch.zeros(TOY).bool()
    inside = toy_brain(TOY).nonzero()
    for place, value in zip(inside[:4], (1.0, 2.0, 3.0, 4.0), strict=True):
        map[tuple(place)] = value
    for place in inside[1:3]:
        truth[tuple(place)] = True
    for place in inside[2:4]:  # the first of them is truth as well
        distractors[tuple(place)] = True
    found = figures(map, truth=truth, distractors=distractors)
    assert found["distractor_mass"] == pytest.approx(4 / 10)
    assert found["distractor_mass_ratio"] == pytest.approx((4 / 5) / (1 / (len(inside) - 2)))
    unknown = figures(map, truth=None, distractors=distractors)
    assert unknown["distractor_mass"] == pytest.approx(7 / 10) and math.isnan(unknown["auc"])
    assert unknown["distractor_mass_ratio"] == pytest.approx((7 / 10) / (2 / len(inside)))


def test_a_flat_map_has_chance_on_distractors_and_the_truth_itself_nothing() -> None:
    assert figures(torch.ones(TOY))["distractor_mass_ratio"] == pytest.approx(1.0)
    perfect = figures(toy_cube(TOY).float())
    assert perfect["distractor_mass"] == perfect["distractor_mass_ratio"] == 0.0


@pytest.mark.parametrize("distractors", [None, torch.zeros(TOY).bool(), ~toy_brain(TOY), toy_cube(TOY)])
def test_without_distractors_outside_the_truth_nothing_is_said(distractors: torch.Tensor | None) -> None:
    found = figures(torch.ones(TOY), distractors=distractors)
    for name in ("distractor_mass", "distractor_mass_ratio"):
        if distractors is None:
            assert str(found[name]) == "no distractors are known"
        else:
            assert math.isnan(found[name])


def test_a_map_of_zeros_has_no_mass_on_distractors() -> None:
    found = figures(torch.zeros(TOY))
    assert math.isnan(found["distractor_mass"]) and math.isnan(found["distractor_mass_ratio"])
