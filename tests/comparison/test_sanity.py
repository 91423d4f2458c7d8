"""The sanity check by randomised weights, from figures made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interpbench.comparison.sanity import sanity

Made = Callable[..., dict[str, Any]]


@pytest.fixture
def checked(measure: Made, outcome: Made, method: Made) -> Callable[..., str]:
    """What is said of method `a`, whose likeness is this."""

    def checked(likeness: float, by_chance: float | None = 0.1, *, learned: bool = False, **told: Any) -> str:
        found = {"family": "randomisation", "leads": 1, "question": "Spearman", "chance_by": "by_chance", **told}
        results = {"likeness": outcome({"a": likeness})}
        if by_chance is not None:
            results["by_chance"] = outcome({"a": by_chance})
        benchmark = {
            "measures": [measure("likeness", **found)],
            "results": results,
            "methods": [method("a", learned=learned)],
        }
        return "\n".join(sanity(benchmark, ["a"]))

    return checked


@pytest.mark.parametrize(
    ("likeness", "chance", "verdict"),
    [
        pytest.param(0.19, 0.1, "passed:", id="the interval reaches chance"),
        pytest.param(0.2, 0.1, "passed:", id="the interval ends at chance"),
        pytest.param(0.21, 0.1, "passed in part:", id="the interval excludes chance"),
        pytest.param(0.49, 0.1, "passed in part:", id="just below one half"),
        pytest.param(0.5, 0.1, "failed:", id="one half"),
        pytest.param(0.55, 0.6, "failed:", id="largely the same though by chance as well"),
        pytest.param(-0.9, 0.1, "passed:", id="turned round"),
    ],
)
def test_a_map_passes_by_chance_in_part_above_it_and_fails_from_one_half_on(
    likeness: float, chance: float, verdict: str, checked: Callable[..., str]
) -> None:
    text = checked(likeness, chance)
    assert text.startswith(f"Sanity check {verdict}")
    assert text.count("Sanity check") == 1
    assert f"a {likeness:.3g} ({likeness - 0.1:.3g} to {likeness + 0.1:.3g}; chance {chance:.3g}, n = 40)" in text


@pytest.mark.parametrize(("declared", "floor"), [(0.3, "0.3"), (None, "0")])
def test_without_a_measure_of_chance_the_declared_one_counts(
    declared: float | None, floor: str, checked: Callable[..., str]
) -> None:
    assert f"; chance {floor}, n = 40)" in checked(0.25, None, chance=declared)


def test_without_an_interval_the_mean_decides(measure: Made, outcome: Made, method: Made) -> None:
    result = outcome({"a": 0.15}, n=2)
    result["methods"]["a"]["interval"] = None
    told = measure("likeness", family="randomisation", leads=1, chance=0.1)
    benchmark = {"measures": [told], "results": {"likeness": result}, "methods": [method("a")]}
    (text,) = sanity(benchmark, ["a"])
    assert text.startswith("Sanity check passed in part")
    assert "a 0.15 (no interval; chance 0.1, n = 2)" in text


def test_two_fits_to_the_intact_network_stand_beside_a_learned_method_only(
    measure: Made, outcome: Made, method: Made
) -> None:
    told = measure("likeness", family="randomisation", leads=1, ceiling_by="two_fits")
    results = {"likeness": outcome({"a": 0.3, "b": 0.3}), "two_fits": outcome({"a": 0.8, "b": 0.7})}
    methods = [method("a", learned=True), method("b")]
    (text,) = sanity({"measures": [told], "results": results, "methods": methods}, ["a", "b"])
    assert "n = 40; fitted again; two fits to the intact network 0.8) and b 0.3 (" in text
    assert "0.7" not in text


def test_a_learned_method_that_was_not_fitted_again_is_not_tested_and_nobody_where_nobody_was(
    measure: Made, outcome: Made, method: Made
) -> None:
    told = measure("likeness", family="randomisation", leads=1)
    methods = [method("a"), method("b", learned=True), method("c")]
    benchmark = {"measures": [told], "results": {"likeness": outcome({"a": 0.0})}, "methods": methods}
    text = sanity(benchmark, ["a", "b", "c"])
    assert text[-1].startswith("Sanity check not done: b. A fitted method")
    benchmark["results"] = {"likeness": outcome({})}
    assert sanity(benchmark, ["a", "b", "c"]) == []


@pytest.mark.parametrize("family", ["complexity", "other", None])
def test_other_families_are_no_sanity_check(family: str | None, checked: Callable[..., str]) -> None:
    assert checked(0.9, family=family) == ""
