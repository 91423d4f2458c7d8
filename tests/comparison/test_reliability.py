"""Intraclass correlations against their authors' example, components of variance, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from interpbench.comparison.reliability import icc, icc_interval, iccs, mean_rank_correlation

# Shrout and Fleiss 1979, table 2: six targets by four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def test_the_intraclass_correlation_is_that_of_its_authors() -> None:
    assert icc(SHROUT_FLEISS) == pytest.approx(0.29, abs=0.005)


def test_the_intraclass_correlation_follows_from_the_components_of_variance() -> None:
    random = np.random.default_rng(0)
    n, k = 400, 30
    ratings = 2.0 * random.standard_normal((n, 1)) + 1.0 * random.standard_normal((1, k))
    ratings = ratings + 0.5 * random.standard_normal((n, k))
    # Least squares of targets and raters as dummies, instead of the sums of squares.
    design = np.concatenate([np.repeat(np.eye(n), k, axis=0), np.tile(np.eye(k), (n, 1))[:, 1:]], axis=1)
    fitted = np.linalg.lstsq(design, ratings.ravel(), rcond=None)[0]
    error = ((ratings.ravel() - design @ fitted) ** 2).sum() / ((n - 1) * (k - 1))
    target = ratings.mean(axis=1).var(ddof=1) - error / k
    rater = ratings.mean(axis=0).var(ddof=1) - error / n
    assert icc(ratings) == pytest.approx(target / (target + rater + error))
    assert icc(ratings) == pytest.approx(4 / (4 + 1 + 0.25), abs=0.1)


def test_equal_columns_agree_and_others_agree_less() -> None:
    column = np.arange(10.0)
    assert icc(np.stack([column, column], axis=1)) == pytest.approx(1.0)
    assert icc(np.stack([column, -column], axis=1)) < 0
    assert icc(np.stack([column, column + 3], axis=1)) < 1  # absolute agreement
    assert icc(np.stack([column, 2 * column], axis=1)) < 1


@pytest.mark.parametrize("ratings", [np.ones((5, 2)), np.ones((1, 2)), np.arange(5.0)[:, None]])
def test_where_nothing_can_vary_there_is_no_number(ratings: np.ndarray) -> None:
    assert math.isnan(icc(ratings))


def test_many_tables_at_once_are_each_ones_correlation() -> None:
    tables = np.random.default_rng(2).standard_normal((5, 7, 3)) + np.arange(7)[:, None]
    assert iccs(tables) == pytest.approx([icc(one) for one in tables])


def test_the_interval_holds_the_correlation_of_the_population() -> None:
    random = np.random.default_rng(4)
    inside = 0
    for seed in range(60):
        ratings = random.standard_normal((60, 1)) + 0.5 * random.standard_normal((60, 4))
        low, high = icc_interval(ratings, seed=seed) or (math.nan, math.nan)
        inside += low <= 1 / 1.25 <= high
    assert 50 <= inside <= 60  # of 95 % intervals


@pytest.mark.parametrize("ratings", [np.ones((9, 2)), np.arange(6.0).reshape(3, 2), np.ones((0, 2))])
def test_of_too_little_there_is_no_interval(ratings: np.ndarray) -> None:
    assert icc_interval(ratings) is None


def test_the_correlation_of_maps_is_the_mean_over_pairs() -> None:
    maps = np.random.default_rng(3).random((3, 500)).round(2)  # with ties
    pairs = [spearmanr(maps[i], maps[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    assert mean_rank_correlation(maps) == pytest.approx(np.mean(pairs))


def test_a_constant_map_correlates_with_nothing() -> None:
    maps = np.stack([np.arange(9.0), np.ones(9), np.arange(9.0) ** 3])
    assert mean_rank_correlation(maps) == pytest.approx(1)
    assert math.isnan(mean_rank_correlation(maps[:2])) and math.isnan(mean_rank_correlation(maps[:1]))
