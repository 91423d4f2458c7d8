"""Targets follow from the seed and the label, fill the normal distribution evenly, and can be made uncorrelated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from interpbench.errors import InputError
from interpbench.planting.drawn import BOUND, drawn, random_of, standardised, unrelated

LABELS = [f"{number:03d}" for number in range(50)]


def test_a_small_cohort_has_no_gaps() -> None:
    numbers = np.sort(drawn(LABELS, 3, "target"))
    assert np.abs(numbers).max() <= BOUND and kstest(numbers, "norm").statistic < 0.03
    assert np.diff(numbers[5:-5]).max() < 0.25


def test_the_order_of_people_changes_nothing() -> None:
    shuffled = list(np.random.default_rng(0).permutation(LABELS))
    found = dict(zip(shuffled, drawn(shuffled, 3, "target"), strict=True))
    assert [found[label] for label in LABELS] == list(drawn(LABELS, 3, "target"))


def test_who_else_is_there_moves_a_number_little() -> None:
    whole = dict(zip(LABELS, drawn(LABELS, 3, "target"), strict=True))
    fewer = dict(zip(LABELS[5:], drawn(LABELS[5:], 3, "target"), strict=True))
    assert max(abs(whole[label] - fewer[label]) for label in fewer if abs(whole[label]) < 1.5) < 0.35


def test_seed_label_and_purpose_are_all_that_matters() -> None:
    assert random_of(1, "01", "target").random() == random_of(1, "01", "target").random()
    others = [random_of(*one).random() for one in ((2, "01", "target"), (1, "02", "target"), (1, "01", "place"))]
    assert len({*others, random_of(1, "01", "target").random()}) == 4


def test_another_variable_is_uncorrelated_in_the_sample() -> None:
    target, other = drawn(LABELS, 3, "target"), drawn(LABELS, 3, "variable 1")
    first = unrelated(other, [target])
    second = unrelated(drawn(LABELS, 3, "variable 2"), [target, first])
    assert np.abs(np.corrcoef([target, first, second]) - np.eye(3)).max() < 1e-12
    assert first.std() == pytest.approx(1) and np.corrcoef(first, other)[0, 1] > 0.9


def test_too_few_people_or_one_value_are_refused() -> None:
    with pytest.raises(InputError, match="too few for 2 variables"):
        unrelated(np.arange(4.0), [np.ones(4), np.arange(4.0)])
    with pytest.raises(InputError, match="the same value, 7"):
        standardised(np.full(5, 7.0))
    numbers, mean, sd = standardised(np.array([1.0, 2.0, 6.0]))
    np.testing.assert_allclose(numbers * sd + mean, [1, 2, 6])
