"""Figures of a personal phantom, on arrays whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest


def test_age_is_read_where_it_is_and_not_where_it_is_not(benchmarks):
    random = np.random.default_rng(0)
    ages = random.uniform(44, 73, 120)
    noise = random.normal(size=(120, 40))
    told = noise.copy()
    told[:, 0] += 2 * ages
    assert benchmarks.personal_phantom.read_age(told, ages)["r2"] > 0.95
    assert benchmarks.personal_phantom.read_age(noise, ages)["r2"] < 0.1


def test_beyond_lies_what_is_more_than_two_voxels_away(benchmarks):
    brain = np.ones((9, 9, 9), dtype=bool)
    brain[0] = False
    touched = np.zeros_like(brain)
    touched[4, 4, 4] = True
    found = benchmarks.personal_phantom.beyond(touched, brain)
    assert found.sum() == brain.sum() - 5**3 and not found[0].any() and found[7, 4, 4] and not found[6, 4, 4]


@pytest.mark.parametrize(("sign", "auc"), [(1, 1.0), (-1, 0.0)])
def test_a_persons_own_truth_is_found_by_itself(benchmarks, sign, auc):
    truths = np.random.default_rng(1).random((9, 50)) > 0.7
    found = benchmarks.personal_phantom.found_by(lambda one: sign * truths[one].astype(float), truths)
    assert found["auc"] == auc and found["n"] == 3 and (found["average_precision"] == 1) == (sign == 1)
