"""Intervals and tests, each against a second way of computing it, and under a null where nothing is to be found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from interpbench.comparison import statistics
from interpbench.comparison.statistics import (
    cliques,
    friedman,
    holm,
    interval,
    intervals,
    ranks_within,
    signed_rank,
)


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def against_zero(differences: object) -> tuple[float, float]:
    values = np.asarray(differences, float)
    return signed_rank(values, np.zeros_like(values))


# Intervals


@pytest.mark.parametrize("count", [5, 20, 75])
@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_intervals_are_scipys_bca_intervals(count: int, shape: str) -> None:
    columns = np.round(getattr(drawn(count), shape)(size=(count, 4)) * 64) / 64  # sums are exact, so ties are ties
    found = intervals(columns, seed=3, resamples=1999)
    for column, bounds in zip(columns.T, found, strict=True):
        peer = stats.bootstrap((column,), np.mean, n_resamples=1999, method="BCa", rng=drawn(3)).confidence_interval
        np.testing.assert_allclose(bounds, [peer.low, peer.high], rtol=1e-10)


def test_the_interval_of_one_column_is_that_of_many_and_a_missing_value_takes_its_subject_out() -> None:
    columns = drawn().normal(size=(12, 3))
    columns[[2, 7], 1] = np.nan
    found = intervals(columns, seed=1)
    known = columns[:, 1][np.isfinite(columns[:, 1])]
    for bounds, values in zip(found, [columns[:, 0], known, columns[:, 2]], strict=True):
        assert interval(values, seed=1) == pytest.approx(bounds.tolist(), rel=1e-12)


def test_intervals_move_and_grow_with_the_values() -> None:
    values = drawn().exponential(size=25)
    low, high = interval(values) or []
    assert interval(3 * values + 2) == pytest.approx([3 * low + 2, 3 * high + 2])
    assert interval(-values) == pytest.approx([-high, -low], abs=0.02)


def test_the_mean_is_covered_about_ninety_five_times_in_a_hundred() -> None:
    bounds = intervals(drawn().exponential(size=(60, 600)), resamples=1999)
    covered = ((bounds[:, 0] <= 1.0) & (bounds[:, 1] >= 1.0)).mean()
    assert 0.91 < covered < 0.97


def test_without_spread_or_with_too_few_subjects_there_is_no_interval() -> None:
    columns = np.array([[1.0, 0.1 + 0.2, 1.0], [2.0, 0.3, np.nan], [3.0, 0.3, np.nan], [5.0, 0.3, 2.0]])
    assert np.isfinite(intervals(columns)).all(axis=1).tolist() == [True, False, False]
    assert intervals(np.empty((4, 0))).shape == (0, 2)
    assert interval([]) is None


# The signed-rank test


def enumerated(differences: np.ndarray) -> float:
    """p by going through all patterns of signs of the differences that are not zero."""
    ranks = stats.rankdata(np.abs(differences))
    middle = ranks[differences != 0].sum() / 2
    observed = abs(ranks[differences > 0].sum() - middle)
    sums = [
        np.dot(signs, ranks[differences != 0]) for signs in itertools.product([0, 1], repeat=(differences != 0).sum())
    ]
    return float(np.mean(np.abs(np.array(sums) - middle) >= observed - 1e-9))


@pytest.mark.parametrize("levels", [2, 4, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_p_is_the_share_of_sign_patterns_that_are_as_extreme_with_ties_and_zeros(levels: int, seed: int) -> None:
    differences = drawn(seed).integers(-levels, levels + 1, 10).astype(float)
    assert against_zero(differences)[0] == pytest.approx(enumerated(differences), rel=1e-12)


@pytest.mark.parametrize("count", [6, 30, 75])
def test_without_ties_p_is_scipys_exact_one(count: int) -> None:
    differences = drawn(count).normal(0.3, 1, count)
    peer = stats.wilcoxon(differences, method="exact").pvalue
    assert against_zero(differences)[0] == pytest.approx(peer, rel=1e-9)


def test_with_many_subjects_p_is_scipys_normal_one_with_ties_and_zeros_by_pratt() -> None:
    differences = np.round(drawn().normal(0.15, 1, 300), 1)
    peer = stats.wilcoxon(differences, zero_method="pratt", method="asymptotic").pvalue
    assert (differences == 0).any()
    assert against_zero(differences)[0] == pytest.approx(peer, rel=1e-9)


def test_counting_and_the_normal_approximation_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.round(drawn(5).normal(0.2, 1, statistics.EXACT_UP_TO), 1)
    counted = against_zero(differences)[0]
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 0)
    assert against_zero(differences)[0] == pytest.approx(counted, rel=0.03)


def test_where_nothing_differs_p_values_are_uniform() -> None:
    found = np.array([against_zero(row)[0] for row in drawn().normal(size=(2000, 25))])
    for level in (0.01, 0.05, 0.2, 0.5, 0.8):
        assert (found <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 2000) + 0.003)


def test_the_smallest_p_is_that_of_all_differences_on_one_side() -> None:
    assert against_zero(range(1, 7)) == (2 / 2**6, 1.0)


def test_without_any_difference_p_is_one_and_the_effect_zero() -> None:
    assert against_zero(np.zeros(8)) == (1.0, 0.0)
    assert signed_rank(np.array([0.1 + 0.2, 0.7]), np.array([0.3, 0.1 * 7])) == (1.0, 0.0)  # but for rounding
    assert signed_rank(np.array([]), np.array([]))[0] == 1.0


def test_the_effect_is_the_share_of_favourable_rank_sums_less_the_unfavourable() -> None:
    differences = drawn().normal(0.5, 1, 40)
    ranks = stats.rankdata(np.abs(differences))
    favourable = ranks[differences > 0].sum() / ranks.sum()
    assert against_zero(differences)[1] == pytest.approx(favourable - (1 - favourable))


def test_a_subject_without_a_difference_counts_for_neither_side() -> None:
    assert against_zero([0.0, 0.0, 0.0, 1.0])[1] == pytest.approx(4 / 10)


def test_swapping_the_methods_turns_the_effect_and_leaves_p() -> None:
    first, second = drawn().normal(size=(2, 15))
    p, effect = signed_rank(first, second)
    assert signed_rank(second, first) == (p, -effect)


def test_ranks_share_the_mean_of_their_places() -> None:
    values = drawn().integers(0, 5, (6, 9)).astype(float)
    ranks = ranks_within(values, "higher")
    np.testing.assert_array_equal(ranks, stats.rankdata(-values, axis=1))
    np.testing.assert_array_equal(ranks_within(values, "lower"), 10 - ranks)


# Many tests


def test_holm_is_its_own_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_holm_rejects_what_going_down_step_by_step_rejects(level: float) -> None:
    p = drawn(1).beta(0.3, 3, 30)
    rejected = np.zeros(30, bool)
    for step, at in enumerate(np.argsort(p)):
        if p[at] > level / (30 - step):
            break
        rejected[at] = True
    assert 0 < rejected.sum() < 30
    np.testing.assert_array_equal(holm(p) <= level, rejected)


def test_among_equal_methods_any_two_are_told_apart_in_at_most_five_of_a_hundred_tables() -> None:
    random, pairs = drawn(2), list(itertools.combinations(range(5), 2))
    tables = random.normal(size=(600, 14, 5)) + random.normal(size=(600, 14, 1))
    wrong = [
        holm(np.array([signed_rank(table[:, a], table[:, b])[0] for a, b in pairs])).min() < 0.05 for table in tables
    ]
    assert 0.005 < np.mean(wrong) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


# Friedman


def test_one_is_the_best_rank_in_the_measures_direction() -> None:
    values = drawn().integers(0, 4, (9, 5)).astype(float)
    np.testing.assert_array_equal(ranks_within(values, "lower"), stats.rankdata(values, axis=1))
    np.testing.assert_array_equal(ranks_within(values, "higher"), stats.rankdata(-values, axis=1))


def test_differences_by_rounding_are_ties() -> None:
    assert ranks_within(np.array([[0.3, 0.1 + 0.2]]), "higher").tolist() == [[1.5, 1.5]]


def test_friedmans_statistic_is_the_textbooks() -> None:
    ranks = ranks_within(drawn().normal(size=(12, 4)), "higher")
    found = friedman(ranks) or {}
    by_hand = 12 / (12 * 4 * 5) * (ranks.sum(axis=0) ** 2).sum() - 3 * 12 * 5
    assert found["statistic"] == pytest.approx(by_hand)
    assert (found["df"], found["n"], found["k"]) == (3, 12, 4)


def test_friedmans_p_is_near_the_share_of_shuffled_tables_with_ties() -> None:
    random = drawn(4)
    values = random.integers(0, 6, (20, 4)) + np.array([0.0, 0.4, 0.9, 1.3])
    ranks = ranks_within(np.floor(values), "higher")
    found = friedman(ranks) or {}
    shuffled = [friedman(random.permuted(ranks, axis=1)) or {} for _ in range(1500)]
    share = np.mean([one["statistic"] >= found["statistic"] for one in shuffled])
    assert 0.01 < share < 0.9
    assert found["p"] == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    "ranks", [np.ones((2, 4)), np.tile([1.0, 2.0], (9, 1)), np.full((9, 4), 2.5), np.empty((0, 0))]
)
def test_friedman_has_nothing_to_say_of_too_few_or_of_ties_only(ranks: np.ndarray) -> None:
    assert friedman(ranks) is None


# Groups


@pytest.mark.parametrize("seed", range(5))
def test_cliques_are_all_sets_that_cannot_grow(seed: int) -> None:
    upper = np.triu(drawn(seed).random((8, 8)) < 0.4, 1)
    apart = upper | upper.T
    together = [
        set(some)
        for size in range(2, 9)
        for some in itertools.combinations(range(8), size)
        if not apart[np.ix_(some, some)].any()
    ]
    largest = [one for one in together if not any(one < other for other in together)]
    assert cliques(apart) == sorted(tuple(sorted(one)) for one in largest)


def test_a_chain_of_neighbours_makes_overlapping_groups() -> None:
    apart = np.abs(np.subtract.outer(range(4), range(4))) > 1
    assert cliques(apart) == [(0, 1), (1, 2), (2, 3)]
    assert cliques(np.zeros((3, 3), bool)) == [(0, 1, 2)]
    assert cliques(~np.eye(3, dtype=bool)) == []
    assert cliques(np.empty((0, 0), bool)) == []
