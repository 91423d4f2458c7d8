"""Agreement and break-even by properties, and by counting."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from interpbench.comparison.agreement import agreement, kendall_w, permutation_p, taus
from interpbench.comparison.break_even import break_even, describe_break_even

tables = arrays(float, st.tuples(st.integers(2, 5), st.integers(3, 6)), elements=st.integers(0, 6).map(float))
often = settings(max_examples=40, deadline=None)


def ranked(table: np.ndarray) -> np.ndarray | None:
    """The ranks in rows that are not constant; None where fewer than two are left."""
    rows = table[np.ptp(table, axis=1) > 0]
    return stats.rankdata(rows, axis=1) if len(rows) > 1 else None


@often
@given(tables)
def test_w_lies_between_none_and_full_agreement_whatever_the_ties(table: np.ndarray) -> None:
    ranks = ranked(table)
    if ranks is not None:
        assert -1e-12 <= kendall_w(ranks) <= 1 + 1e-12


@often
@given(tables, st.randoms(use_true_random=False))
def test_neither_the_order_of_measures_nor_that_of_methods_matters(table: np.ndarray, random: Any) -> None:
    ranks = ranked(table)
    if ranks is None:
        return
    rows, columns = (random.sample(range(count), count) for count in ranks.shape)
    assert kendall_w(ranks[rows][:, columns]) == pytest.approx(kendall_w(ranks))
    assert taus(ranks[:, columns]) == pytest.approx(taus(ranks))


@often
@given(tables)
def test_tau_is_symmetric_one_with_itself_and_turns_with_the_ranking(table: np.ndarray) -> None:
    ranks = ranked(table)
    if ranks is None:
        return
    found = taus(ranks)
    assert found == pytest.approx(found.T)
    assert np.diag(found) == pytest.approx(1)
    assert np.abs(found).max() <= 1 + 1e-12
    turned = np.concatenate([ranks[:1], ranks.max() - ranks[1:]])
    assert taus(turned)[0, 1:] == pytest.approx(-found[0, 1:])


def test_p_is_never_zero_and_one_where_any_order_agrees_as_far() -> None:
    same = np.tile(np.arange(1.0, 9.0), (6, 1))
    assert permutation_p(same, permutations=99) == 1 / 100
    opposite = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert permutation_p(opposite, permutations=99) == 1


@pytest.mark.parametrize("permutations", [1, 999, 1000, 1001])
def test_as_many_permutations_are_drawn_as_asked_for(permutations: int) -> None:
    opposite = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert permutation_p(opposite, permutations=permutations) == 1  # every one of them agrees at least as far
    same = np.tile(np.arange(1.0, 12.0), (6, 1))
    assert permutation_p(same, permutations=permutations) == pytest.approx(1 / (1 + permutations))


# Who takes part

FULL = {"m0": dict(zip("abcde", [5.0, 4.0, 3.0, 2.0, 1.0], strict=True))}
FULL["m1"] = dict(zip("abcde", [5.0, 4.0, 3.0, 1.0, 2.0], strict=True))


def agreed(means: dict[str, dict[str, float]]) -> dict[str, Any] | None:
    return agreement(means, dict.fromkeys(means, "higher"))


@pytest.mark.parametrize(
    ("flat", "methods"),
    [
        pytest.param(dict.fromkeys("abcd", 1.0), "abcde", id="flat over four of five"),
        pytest.param(dict.fromkeys("abcd", 1.0) | {"x": 1.0}, "abcde", id="flat, and of a method nobody else has"),
        pytest.param(dict.fromkeys("abcde", 1.0), "abcde", id="flat over all"),
        pytest.param({"a": 2.0, "b": 2.0, "c": 2.0, "d": 2.0, "x": 3.0}, "abcde", id="flat where others have values"),
    ],
)
def test_a_measure_that_does_not_take_part_takes_no_method_from_the_others(
    flat: dict[str, float], methods: str
) -> None:
    found = agreed(FULL | {"flat": flat}) or {}
    assert found["measures"] == ["m0", "m1"]
    assert found["methods"] == list(methods)
    assert found["kendall_w"] == pytest.approx((agreed(FULL) or {})["kendall_w"])


@pytest.mark.parametrize(("covered", "takes_part"), [(8, True), (6, True), (5, False)], ids=["all", "3/4", "5 of 8"])
def test_a_measure_takes_part_from_three_quarters_of_the_methods_on(covered: int, takes_part: bool) -> None:
    names = "abcdefgh"
    means = {f"m{at}": {name: float(place * (-1) ** at) for place, name in enumerate(names)} for at in range(2)}
    means["some"] = {name: float(place) for place, name in enumerate(names[:covered])}
    found = agreed(means) or {}
    assert ("some" in found["measures"]) is takes_part
    assert len(found["methods"]) == (covered if takes_part else 8)


def test_taus_are_named_and_scipys() -> None:
    random = np.random.default_rng(5)
    means = {f"m{at}": dict(zip("abcdef", random.normal(size=6), strict=True)) for at in range(3)}
    found = agreed(means) or {}
    for one, other in itertools.product(means, repeat=2):
        expected = stats.kendalltau(list(means[one].values()), list(means[other].values())).statistic
        assert found["tau"][one][other] == pytest.approx(expected)


# Break-even by counting

times = st.integers(0, 30).map(float)


@settings(max_examples=150, deadline=None)
@given(times, times, times, times)
def test_from_break_even_on_the_sum_is_never_larger_and_just_before_it_is(
    training: float, other_training: float, own: float, other: float
) -> None:
    (row, _) = break_even(["x", "y"], {"x": own, "y": other}, {"x": training, "y": other_training})

    def dearer(count: int) -> bool:
        return training + own * count > other_training + other * count

    late = [count for count in range(2000) if dearer(count)]
    if row["subjects"] is None:
        assert dearer(1999)
    else:
        assert row["subjects"] == (late[-1] + 1 if late else 0)


def test_one_that_trains_faster_and_maps_slower_is_not_said_to_cost_more_always() -> None:
    (row, _) = break_even(["x", "y"], {"x": 3.0, "y": 1.0}, {"x": 40.0, "y": 100.0})
    assert row["subjects"] is None  # 10 subjects cost 70 s by x, and 110 s by y
    assert describe_break_even(row).startswith("For many subjects, x never costs less than y: 3 s per subject")
