"""Each warning is given where it is due and nowhere else, and says what was measured and what to do."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from interpbench_unoise.diagnostics import diagnostic_warnings, log_floor

FLOOR = {"clean_mae": 2.0, "mae_at_0": 2.5, "mae_at_1": 6.0, "mean_predictor_mae": 8.0, "n": 30}
AFTER = {
    "mask_mean": 0.4,
    "mask_sd": 0.2,
    "share_below_0.01": 0.1,
    "share_above_0.99": 0.1,
    "noisy_mae": 3.0,
    "recalibrated_mae": 2.4,
    "map_correlation": 0.6,
    "n": 30,
}


def told(floor: dict[str, float], after: dict[str, Any] | None, unit: str = "years") -> list[str]:
    return diagnostic_warnings({**FLOOR, **floor}, None if after is None else {**AFTER, **after}, unit)


def test_where_all_is_well_nothing_is_said() -> None:
    assert told({}, {}) == [] and told({}, None) == []


# of each: what makes it due, what just does not, the mask's figures that go with it, and what the sentence must hold
CASES = {
    "reads nothing": (
        {"clean_mae": 7.21, "mae_at_0": 7.3, "mae_at_1": 9.0},
        {"clean_mae": 7.19, "mae_at_0": 7.3, "mae_at_1": 9.0},
        {"recalibrated_mae": 7.5},
        ("own error, 7.21 years", "predicting the mean (8.00 years)"),
    ),
    "a floor that ruins": (
        {"mae_at_0": 4.01},
        {"mae_at_0": 3.99},
        {},
        ("4.01 years at B = 0", "2.00 years without noise", "lower v_min (and v_max)"),
    ),
    "a ceiling that costs nothing": (
        {"mae_at_1": 2.39},
        {"mae_at_1": 2.41},
        {},
        ("2.39 years at B = 1", "2.00 years without noise", "raise v_max"),
    ),
}
AFTERWARDS = {
    "no noise": ({"share_below_0.01": 0.951}, {"share_below_0.01": 0.949}, ("95% of the brain", "raise r")),
    "full noise": ({"share_above_0.99": 0.97}, {"share_above_0.99": 0.95}, ("97% of the brain", "lower r")),
    "flat": ({"mask_sd": 0.0099}, {"mask_sd": 0.0101}, ("flat inside the brain (SD 0.0099)",)),
    "drowned": (
        {"recalibrated_mae": 4.01},
        {"recalibrated_mae": 3.99},
        ("4.01 years even after recalibration", "2.00 years without noise", "Lower r"),
    ),
    "one map for all": (
        {"map_correlation": 0.9995},
        {"map_correlation": 0.9985},
        ("same map (mean correlation 0.9995)", "population"),
    ),
}


@pytest.mark.parametrize("after", [None, {}], ids=["before", "after"])
@pytest.mark.parametrize("name", CASES)
def test_what_the_noise_floor_says_is_told_from_its_bound_on(name: str, after: dict[str, Any] | None) -> None:
    due, not_due, also, words = CASES[name]
    (sentence,) = told(due, after if after is None else also)
    assert all(some in sentence for some in words) and sentence.endswith(".")
    assert told(not_due, after if after is None else also) == []


@pytest.mark.parametrize("name", AFTERWARDS)
def test_what_became_of_the_mask_is_told_from_its_bound_on(name: str) -> None:
    due, not_due, words = AFTERWARDS[name]
    (sentence,) = told({}, due)
    assert all(some in sentence for some in words) and sentence.endswith(".")
    assert told({}, not_due) == []


def test_a_floor_is_judged_by_the_error_where_that_is_large_and_by_the_spread_where_it_is_small() -> None:
    precise = {"clean_mae": 0.1, "mae_at_1": 6.0}
    assert told({**precise, "mae_at_0": 2.0}, None) == []  # twenty times 0.1, yet little beside a spread of 8
    assert len(told({**precise, "mae_at_0": 2.2}, None)) == 1
    rough = {"clean_mae": 5.0, "mae_at_1": 12.0}
    assert told({**rough, "mae_at_0": 9.9}, None) == [] and len(told({**rough, "mae_at_0": 10.1}, None)) == 1


def test_several_faults_are_told_in_several_sentences() -> None:
    hopeless = {"clean_mae": 8.0, "mae_at_0": 30.0, "mae_at_1": 90.0}
    mask = {"share_above_0.99": 1.0, "mask_sd": 0.0, "recalibrated_mae": 80.0, "map_correlation": 1.0}
    found = told(hopeless, mask)
    assert len(found) == len(set(found)) == 6
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in found)


def test_maps_that_cannot_be_compared_are_not_said_to_be_alike() -> None:
    assert told({}, {"map_correlation": None}) == []


def test_errors_are_told_in_the_target_s_unit() -> None:
    (sentence,) = told({"mae_at_0": 40.0}, None, unit="points")
    assert "40.00 points" in sentence and "years" not in sentence


def test_the_noise_floor_is_logged_with_its_unit_and_n(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="interpbench"):
        log_floor(FLOOR, ["First.", "100 % of it."], "years")
    first, *rest = caplog.records
    assert first.levelno == logging.INFO
    told = first.getMessage()
    assert "2.00 years without noise, 2.50 with minimum noise (B = 0), 6.00 with maximum noise (B = 1), n = 30" in told
    assert [(one.levelno, one.getMessage()) for one in rest] == [
        (logging.WARNING, "First."),
        (logging.WARNING, "100 % of it."),
    ]
