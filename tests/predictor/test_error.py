"""Figures of a predictor, computed a second way."""

from __future__ import annotations

import numpy as np
import pytest

from interpbench.predictor.error import evaluate, interval


def test_the_errors_are_those_of_the_definition() -> None:
    found = evaluate([50.0, 60.0, 70.0, 80.0], [51.0, 58.0, 73.0, 76.0], mean=61.0)
    assert found["n"] == 4
    assert found["mae"] == pytest.approx(2.5)
    assert found["mean_predictor_mae"] == pytest.approx((11 + 1 + 9 + 19) / 4)
    assert found["bias"] == pytest.approx(-0.5)
    assert found["correlation"] == pytest.approx(np.corrcoef([50, 60, 70, 80], [51, 58, 73, 76])[0, 1])


def test_the_interval_of_many_normal_values_is_that_of_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    low, high = interval(values) or [0.0, 0.0]
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)


def test_the_interval_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(0).exponential(2.0, 30)
    assert interval(values, seed=1) == interval(values, seed=1)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [2.0, 2.0, 2.0, 2.0]])
def test_there_is_no_interval_where_nothing_varies_or_too_few_were_seen(values: list[float]) -> None:
    assert interval(values) is None


def test_the_correlation_of_a_constant_prediction_is_undefined_not_a_number() -> None:
    assert evaluate([50.0, 60.0, 70.0], [55.0, 55.0, 55.0], mean=55.0)["correlation"] is None
