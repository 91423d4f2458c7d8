"""Statistics by their symmetries, and against other implementations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import roc_auc_score

from interpbench.comparison.statistics import (
    auc,
    cliques,
    friedman,
    holm,
    interval,
    intervals,
    ranks_within,
    signed_rank,
)

often = settings(max_examples=40, deadline=None)
levels = st.integers(-4, 4).map(float)
chances = arrays(float, st.integers(1, 8), elements=st.floats(0, 1))


# Area below the ROC curve


@often
@given(st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=30))
def test_auc_is_scikit_learns_and_nan_where_that_is_undefined(pairs: list[tuple[float, bool]]) -> None:
    score, truth = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    if truth.all() or not truth.any():
        assert math.isnan(auc(score, truth))
    else:
        assert auc(score, truth) == pytest.approx(roc_auc_score(truth, score))
        assert auc(-score, truth) == pytest.approx(1 - auc(score, truth))
        assert auc(np.exp(score), truth) == pytest.approx(auc(score, truth))


@pytest.mark.parametrize(
    "truth",
    [np.array([[0, 0], [1, 3]]), np.array([[0.0, 0.0], [-1.0, 0.5]]), torch.tensor([[False, False], [True, True]])],
    ids=["labels", "weights", "a tensor"],
)
def test_the_truth_is_where_it_is_not_zero(truth: Any) -> None:
    assert auc(np.array([[1.0, 2.0], [3.0, 4.0]]), truth) == 1


def test_auc_counts_infinite_scores_by_their_order_and_refuses_nan_and_other_shapes() -> None:
    assert auc([-math.inf, 0.0, math.inf, math.inf], [0, 1, 0, 1]) == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    with pytest.raises(ValueError, match="score holds 2 values that are NaN"):
        auc([math.nan, 1.0, math.nan], [0, 1, 1])
    with pytest.raises(ValueError, match=r"one shape, got \(2, 1\) and \(2,\)"):
        auc([[1.0], [2.0]], [0, 1])


# Intervals


@often
@given(arrays(float, st.tuples(st.integers(3, 8), st.just(2)), elements=levels), st.integers(-3, 3))
def test_an_interval_is_mirrored_with_its_values_and_does_not_depend_on_other_columns(
    values: np.ndarray, shift: int
) -> None:
    both = intervals(values, resamples=199)
    assert intervals(values[:, ::-1], resamples=199)[::-1] == pytest.approx(both, nan_ok=True)
    mirrored = intervals(shift - values, resamples=199)
    assert mirrored[:, ::-1] == pytest.approx(shift - both, nan_ok=True, abs=1e-9)


@often
@given(arrays(float, st.integers(3, 8), elements=levels))
def test_an_interval_lies_within_the_values_and_is_there_where_they_vary(values: np.ndarray) -> None:
    found = interval(values, resamples=199)
    assert (found is None) == (np.ptp(values) == 0)
    if found is not None:
        assert values.min() - 1e-9 <= found[0] <= found[1] <= values.max() + 1e-9


@pytest.mark.parametrize("size", [1e-90, 1e-9, 1e12])
def test_an_interval_has_the_unit_of_its_values(size: float) -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 9.5])
    assert np.array(interval(values * size)) / size == pytest.approx(np.array(interval(values)))


def test_infinite_and_missing_values_take_their_subject_from_their_column_only() -> None:
    values = np.array([[1.0, 5.0], [2.0, math.inf], [4.0, 6.0], [8.0, 7.0], [9.0, math.nan]])
    found = intervals(values)
    assert found[0].tolist() == interval(values[:, 0])
    assert found[1].tolist() == interval([5.0, 6.0, 7.0])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (5, 0)])
def test_without_subjects_or_columns_there_are_no_intervals(shape: tuple[int, int]) -> None:
    found = intervals(np.empty(shape))
    assert found.shape == (shape[1], 2)
    assert np.isnan(found).all()


def test_a_resample_below_the_batch_and_one_across_it_are_drawn_alike() -> None:
    values = np.random.default_rng(0).normal(size=12)
    few, many = interval(values, resamples=1000), interval(values, resamples=2500)
    assert few == pytest.approx(many, abs=0.15)
    assert few != many


# Signed ranks


@often
@given(st.lists(st.tuples(levels, levels), min_size=1, max_size=12))
def test_the_signed_rank_test_is_symmetric_and_blind_to_order_and_unit(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    p, effect = signed_rank(first, second)
    assert 0 < p <= 1
    assert -1 <= effect <= 1
    assert signed_rank(second, first) == pytest.approx((p, -effect))
    assert signed_rank(first[::-1], second[::-1]) == (p, effect)
    assert signed_rank(-7 * first, -7 * second) == pytest.approx((p, -effect))


def test_without_subjects_there_is_no_effect() -> None:
    p, effect = signed_rank(np.empty(0), np.empty(0))
    assert p == 1
    assert math.isnan(effect)


@pytest.mark.parametrize("count", [99, 100, 101])
def test_p_does_not_jump_where_counting_ends(count: int) -> None:
    difference = np.linspace(-0.7, 1.0, count)
    expected = stats.wilcoxon(difference, method="exact").pvalue
    assert signed_rank(difference, np.zeros(count))[0] == pytest.approx(expected, rel=0.06)


# Holm


@often
@given(chances)
def test_corrected_p_values_keep_their_order_and_lie_between_p_and_bonferronis(p: np.ndarray) -> None:
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(len(p) * p, 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


@often
@given(chances, st.floats(0.01, 0.5))
def test_holm_rejects_at_least_what_bonferroni_rejects_and_no_more_than_benjamini_hochberg(
    p: np.ndarray, level: float
) -> None:
    rejected = set(np.flatnonzero(holm(p) < level))
    assert set(np.flatnonzero(p * len(p) < level)) <= rejected
    assert rejected <= set(np.flatnonzero(stats.false_discovery_control(p) < level))


def test_no_p_value_stays_none() -> None:
    assert holm(np.empty(0)).shape == (0,)


# Ranks, Friedman, cliques


@often
@given(arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=levels))
def test_ranks_are_scipys_mirrored_by_direction_and_sum_to_the_same(values: np.ndarray) -> None:
    low, high = ranks_within(values, "lower"), ranks_within(values, "higher")
    assert low == pytest.approx(stats.rankdata(values, axis=1))
    assert low + high == pytest.approx(values.shape[1] + 1)


@often
@given(arrays(float, st.tuples(st.integers(3, 7), st.integers(3, 5)), elements=levels))
def test_friedman_is_blind_to_the_order_of_methods_and_of_subjects_and_to_direction(values: np.ndarray) -> None:
    found = friedman(ranks_within(values, "higher"))
    for other in (ranks_within(values, "lower"), ranks_within(values[::-1, ::-1], "higher")):
        again = friedman(other)
        assert (again is None) == (found is None)
        if found and again:
            assert again["statistic"] == pytest.approx(found["statistic"])
            assert found["p"] == pytest.approx(stats.chi2.sf(found["statistic"], found["df"]))


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        (np.zeros((0, 0), bool), []),
        (np.zeros((1, 1), bool), []),
        (np.zeros((3, 3), bool), [(0, 1, 2)]),
        (~np.eye(3, dtype=bool), []),
        (np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], bool), [(0, 1), (1, 2)]),
    ],
    ids=["nobody", "one", "all alike", "all apart", "a chain"],
)
def test_bars_join_those_that_are_not_distinguished(apart: np.ndarray, expected: list[tuple[int, ...]]) -> None:
    assert cliques(apart) == expected
