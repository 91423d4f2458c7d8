"""Agreement between measures: closed forms, chance, and scipy's tau."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from interpbench.comparison.agreement import agreement, kendall_w, permutation_p, taus

METHODS = ["a", "b", "c", "d"]


def means(*rows: list[float]) -> dict[str, dict[str, float]]:
    return {f"m{at}": dict(zip(METHODS, row, strict=True)) for at, row in enumerate(rows)}


def test_the_same_ranking_by_every_measure_is_full_agreement_also_with_ties() -> None:
    assert kendall_w(np.tile([1.0, 2.0, 3.0, 4.0], (5, 1))) == pytest.approx(1)
    assert kendall_w(np.tile([1.0, 2.5, 2.5, 4.0], (5, 1))) == pytest.approx(1)


def test_two_opposite_rankings_do_not_agree_at_all() -> None:
    assert kendall_w(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])) == 0


def test_random_rankings_agree_to_one_over_their_number() -> None:
    random = np.random.default_rng(0)
    found = [kendall_w(random.permuted(np.tile(np.arange(1.0, 7.0), (4, 1)), axis=1)) for _ in range(3000)]
    assert np.mean(found) == pytest.approx(1 / 4, abs=0.01)


def test_w_is_the_mean_spearman_correlation_rescaled() -> None:
    ranks = np.random.default_rng(1).permuted(np.tile(np.arange(1.0, 8.0), (5, 1)), axis=1)
    correlations = [stats.spearmanr(one, other).statistic for one, other in itertools.combinations(ranks, 2)]
    assert kendall_w(ranks) == pytest.approx((np.mean(correlations) * 4 + 1) / 5)


def test_w_is_friedmans_statistic_rescaled_also_with_ties() -> None:
    ranks = stats.rankdata(np.random.default_rng(2).integers(0, 4, (6, 5)), axis=1)
    assert kendall_w(ranks) == pytest.approx(stats.friedmanchisquare(*ranks.T).statistic / (6 * 4))


def test_p_is_the_share_of_all_shuffles_that_agree_as_far() -> None:
    ranks = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]])
    orders = list(itertools.permutations([1.0, 2.0, 3.0, 4.0]))
    every = [kendall_w(np.array([ranks[0], one, other])) for one in orders for other in orders]
    share = np.mean(np.array(every) >= kendall_w(ranks) - 1e-12)
    assert permutation_p(ranks) == pytest.approx(share, abs=0.01)
    assert permutation_p(ranks) == permutation_p(ranks)


def test_p_is_near_that_of_the_chi_square_approximation_for_many_measures() -> None:
    ranks = stats.rankdata(np.random.default_rng(3).normal(size=(15, 20)) + np.linspace(0, 0.7, 20), axis=1)
    p = stats.chi2.sf(15 * 19 * kendall_w(ranks), 19)
    assert 0.01 < p < 0.5
    assert permutation_p(ranks) == pytest.approx(p, abs=0.02)


def test_tau_is_scipys_with_ties() -> None:
    ranks = stats.rankdata(np.random.default_rng(4).integers(0, 5, (4, 9)), axis=1)
    for one, other in itertools.product(range(4), repeat=2):
        assert taus(ranks)[one, other] == pytest.approx(stats.kendalltau(ranks[one], ranks[other]).statistic)


def test_each_measure_ranks_in_its_own_direction() -> None:
    values = means([4.0, 3.0, 2.0, 1.0], [0.1, 0.2, 0.3, 0.4])
    found = agreement(values, {"m0": "higher", "m1": "lower"}) or {}
    assert found["kendall_w"] == pytest.approx(1)
    assert found["tau"]["m0"]["m1"] == pytest.approx(1)
    assert (agreement(values, {"m0": "higher", "m1": "higher"}) or {})["kendall_w"] == pytest.approx(0)


def test_a_measure_of_few_methods_and_one_that_is_flat_do_not_take_part() -> None:
    values = means([4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 1.0, 2.0], [7.0] * 4) | {"few": {"a": 1.0, "b": 2.0}}
    found = agreement(values, dict.fromkeys(values, "higher")) or {}
    assert found["measures"] == ["m0", "m1"]
    assert found["methods"] == METHODS


def test_only_methods_that_every_measure_has_are_ranked() -> None:
    values = means([4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0])
    del values["m1"]["b"]
    assert (agreement(values, dict.fromkeys(values, "higher")) or {})["methods"] == ["a", "c", "d"]


@pytest.mark.parametrize("rows", [[], [[4.0, 3.0, 2.0, 1.0]], [[1.0] * 4, [1.0] * 4]])
def test_too_few_measures_agree_on_nothing(rows: list[list[float]]) -> None:
    values = means(*rows)
    assert agreement(values, dict.fromkeys(values, "higher")) is None


def test_too_few_methods_agree_on_nothing() -> None:
    values = {name: {"a": 1.0, "b": 2.0} for name in ("m0", "m1")}
    assert agreement(values, dict.fromkeys(values, "higher")) is None
