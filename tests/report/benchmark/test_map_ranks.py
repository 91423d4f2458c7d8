"""A map without its unit: ranks that do not depend on it, and words for what ranks hide."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from interpbench.report.benchmark.map_ranks import percentile_ranks, spread_in_words

SHAPE = (12, 14, 10)
BRAIN = np.zeros(SHAPE, bool)
BRAIN[1:-1, 1:-1, 1:-1] = True


def noise(seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=SHAPE)


def test_ranks_are_those_of_scipy_inside_the_brain_and_zero_outside() -> None:
    values = np.round(noise(), 1)  # with ties
    ranks = percentile_ranks(values, BRAIN)
    expected = 100 * (rankdata(np.abs(values)[BRAIN], method="min") - 1) / BRAIN.sum()
    assert np.allclose(ranks[BRAIN], expected)
    assert (ranks[~BRAIN] == 0).all() and ranks.min() == 0 and ranks.max() < 100


def test_ranks_do_not_depend_on_the_unit_or_on_what_lies_outside_the_brain() -> None:
    values = np.abs(noise())
    other = np.where(BRAIN, 1e-9 * values**3, 1e6)
    assert np.array_equal(percentile_ranks(values, BRAIN), percentile_ranks(other, BRAIN))


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_a_flat_map_has_no_ranks_and_is_called_flat(value: float) -> None:
    values = np.full(SHAPE, value) * (1 + 1e-8 * noise())
    assert (percentile_ranks(values, BRAIN) == 0).all()
    assert spread_in_words(values, BRAIN).startswith(f"FLAT: every voxel is {abs(value):.3g}")


def test_a_map_that_hardly_varies_is_called_nearly_flat() -> None:
    assert spread_in_words(0.5 + 1e-3 * np.tanh(noise()), BRAIN).startswith("NEARLY FLAT: 0.499 to 0.501")
    assert spread_in_words(0.5 + 0.1 * np.tanh(noise()), BRAIN).startswith("0.4")


def test_a_map_that_is_zero_nearly_everywhere_is_not_flat_and_says_so() -> None:
    values = np.zeros(SHAPE)
    values[3, 3, 3] = 2.0
    assert spread_in_words(values, BRAIN) == "0 to 2; over 99 % are 0"
    assert spread_in_words(values, np.zeros(SHAPE, bool)) == "no brain"


@pytest.mark.parametrize("spread", [1e-3, 1e-4, 1e-5, 4e-6, 3.5e-6])
@pytest.mark.parametrize("size", [1.0, 3e-7, 250.0])
def test_both_ends_of_a_nearly_flat_map_can_be_told_apart(spread: float, size: float) -> None:
    values = size * (1 + spread * np.random.default_rng(0).random(SHAPE))
    low, high = spread_in_words(values, BRAIN).removeprefix("NEARLY FLAT: ").split(" to ")
    assert float(low) < float(high)
    assert float(low) == pytest.approx(values[BRAIN].min(), rel=spread)
