"""Gini index and entropy: closed forms, and a second computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from interpbench.testing import cube_predictor, toy_brain, toy_case
from interpbench_measures.complexity import Complexity, entropy, gini

SHAPE = (6, 7, 8)


@pytest.mark.parametrize("n", [2, 7, 336])
def test_equal_voxels_are_as_plain_as_can_be(n: int) -> None:
    assert gini(np.full(n, 0.3)) == pytest.approx(0.0, abs=1e-12)
    assert entropy(np.full(n, 0.3)) == pytest.approx(1.0)


@pytest.mark.parametrize("n", [2, 7, 336])
def test_one_voxel_that_has_it_all_is_as_simple_as_can_be(n: int) -> None:
    one = np.arange(n) == 1
    assert gini(one) == pytest.approx(1 - 1 / n)
    assert entropy(one) == 0.0


@pytest.mark.parametrize("k", [1, 5, 100])
def test_equal_voxels_among_empty_ones_have_a_closed_form(k: int) -> None:
    some = np.arange(336).reshape(SHAPE) < k
    assert gini(some) == pytest.approx(1 - k / 336)
    assert entropy(some) == pytest.approx(math.log(k) / math.log(336))


def test_gini_is_half_the_mean_difference_of_pairs_over_the_mean() -> None:
    values = np.random.default_rng(0).gamma(0.5, size=SHAPE)
    pairs = np.abs(values.ravel()[:, None] - values.ravel()[None])
    assert gini(values) == pytest.approx(pairs.mean() / 2 / values.mean())


def test_entropy_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).gamma(0.1, size=SHAPE)
    assert entropy(values) == pytest.approx(scipy_entropy(values.ravel()) / math.log(values.size))


@pytest.mark.parametrize("measure", [gini, entropy])
def test_where_nothing_is_important_there_is_no_number(measure) -> None:
    assert math.isnan(measure(np.zeros(SHAPE)))


@pytest.mark.parametrize("measure", [gini, entropy])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_importance_below_zero_is_refused(measure, value: float) -> None:
    with pytest.raises(ValueError, match="at least 0, got 1 values that are not"):
        measure([1.0, value])


def test_voxels_outside_the_brain_do_not_count() -> None:
    shape = (12, 14, 10)
    map = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    predictor, outside = cube_predictor(shape), 9.0 * ~toy_brain(shape)
    clean, dirty = (Complexity().measure(toy_case(predictor, one)) for one in (map, map + outside))
    assert clean == dirty


def test_nobody_is_ranked_by_it() -> None:
    assert [measure.direction for measure in Complexity().measures] == [None, None]
