"""AUC of a truth: the same as counting pairs of voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interpbench.metrics import auc


def counted(score: np.ndarray, truth: np.ndarray) -> float:
    """The share of pairs in which the voxel of the truth wins, half for a draw."""
    inside, outside = score[truth][:, None], score[~truth][None]
    return float(((inside > outside) + 0.5 * (inside == outside)).mean())


@pytest.mark.parametrize("levels", [1, 2, 5, 10_000])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_it_is_the_share_of_pairs_that_the_truth_wins(levels: int, share: float) -> None:
    random = np.random.default_rng(levels)
    score = random.integers(0, levels, (6, 7, 8)).astype(np.float32) / levels
    truth = random.random((6, 7, 8)) < share
    assert auc(score, truth) == pytest.approx(counted(score, truth), abs=1e-12)


def test_infinite_scores_have_ranks_too() -> None:
    assert auc([math.inf, 1.0, -math.inf, 0.0], [1, 0, 1, 0]) == 0.5


def test_a_flat_map_is_at_chance() -> None:
    assert auc(np.ones((6, 7, 8)), np.arange(336).reshape(6, 7, 8) < 9) == 0.5


def test_the_truth_itself_is_right_and_its_opposite_wrong() -> None:
    truth = np.arange(336).reshape(6, 7, 8) % 7 == 0
    assert auc(truth, truth) == 1.0
    assert auc(~truth, truth) == 0.0


def test_only_the_order_of_scores_matters() -> None:
    random = np.random.default_rng(0)
    score, truth = random.random((6, 7, 8)), random.random((6, 7, 8)) < 0.2
    assert auc(np.exp(5 * score), truth) == auc(score, truth)
    assert auc(-score, truth) == pytest.approx(1 - auc(score, truth))


@pytest.mark.parametrize("truth", [np.zeros((6, 7, 8)), np.ones((6, 7, 8))])
def test_without_a_truth_or_with_nothing_else_there_is_no_number(truth: np.ndarray) -> None:
    assert math.isnan(auc(np.random.default_rng(0).random((6, 7, 8)), truth))


def test_tensors_count_as_arrays_do() -> None:
    score, truth = torch.rand(6, 7, 8), torch.rand(6, 7, 8) < 0.3
    assert auc(score, truth) == auc(score.numpy(), truth.numpy())


def test_scores_that_have_no_rank_and_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="1 values that are NaN"):
        auc([1.0, math.nan], [0, 1])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        auc([1.0, 2.0], [0, 1, 1])
