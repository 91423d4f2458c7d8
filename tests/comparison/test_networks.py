"""Several networks on the same subjects: whether they order methods alike, and figures against their error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from interpbench.comparison.networks import compare_rankings, figures_by_error, shared_measures, verdict_on_networks
from interpbench.comparison.summary import summarise
from interpbench.comparison.table import table_of

METHODS = ("steep", "flat", "odd")
MEASURE = {
    "name": "auc",
    "metric": "place",
    "unit": "",
    "direction": "higher",
    "help": "Area",
    "family": "localisation",
}


def benchmark(levels, measures=(MEASURE,), subjects=12, seed=0, methods=METHODS):
    """A summary of figures that lie at these levels, with a little noise a subject."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "participant_id": f"sub-{subject:02d}",
            "method": method,
            "measure": one["name"],
            "value": level + 0.01 * random.normal(),
            "note": "",
        }
        for subject in range(subjects)
        for method, level in zip(methods, levels, strict=True)
        for one in measures
    ]
    described = [
        {"name": name, "method": name, "kind": "method", "template": False, "blurred": False, "learned": False}
        for name in methods
    ]
    return summarise(table_of(rows, methods), [dict(one) for one in measures], described, unit="years", resamples=99)


def test_networks_that_order_methods_alike_agree_fully():
    found = compare_rankings({"a": benchmark([0.9, 0.7, 0.5]), "b": benchmark([0.8, 0.6, 0.3], seed=1)})["auc"]
    assert found["methods"] == list(METHODS) and found["kendall_w"] == pytest.approx(1)
    assert found["ranks"] == {name: {"steep": 1.0, "flat": 2.0, "odd": 3.0} for name in "ab"}
    assert found["best"] == {"a": ["steep"], "b": ["steep"]}


def test_two_networks_that_disagree_have_the_lowest_agreement():
    found = compare_rankings({"a": benchmark([0.9, 0.7, 0.5]), "b": benchmark([0.5, 0.7, 0.9])})["auc"]
    assert found["kendall_w"] == pytest.approx(0) and found["p"] == pytest.approx(1)


def test_floors_and_smoothed_copies_are_not_ranked():
    one = benchmark([0.9, 0.7, 0.5])
    one["methods"][1]["kind"] = "floor"
    one["methods"][2]["blurred"] = True
    found = compare_rankings({"a": one, "b": benchmark([0.9, 0.7, 0.5])})["auc"]
    assert found["methods"] == ["steep"] and found["kendall_w"] is None


def test_a_measure_counts_that_every_network_has():
    other = {**MEASURE, "name": "gain", "metric": "gain"}
    both, one = benchmark([0.9, 0.7, 0.5], measures=(MEASURE, other)), benchmark([0.9, 0.7, 0.5])
    assert shared_measures({"a": both, "b": one}) == ["auc"]
    assert shared_measures({"a": both, "b": both}) == ["auc", "gain"]


def test_figures_are_given_in_the_order_of_the_errors_with_their_correlation():
    errors = {"a": 4.0, "b": 2.0, "c": 3.0, "d": 5.0}
    levels = {"a": 0.7, "b": 0.9, "c": 0.6, "d": 0.5}
    benchmarks = {name: benchmark([level, 0.4, 0.3]) for name, level in levels.items()}
    found = figures_by_error(benchmarks, errors)["auc"]["steep"]
    assert found["error"] == [2.0, 3.0, 4.0, 5.0]
    assert found["mean"] == pytest.approx([0.9, 0.6, 0.7, 0.5], abs=0.02)
    assert found["spearman"] == pytest.approx(spearmanr(found["error"], found["mean"]).statistic) == pytest.approx(-0.8)


@pytest.mark.parametrize("errors", [{"a": 2.0, "b": 3.0}, {"a": None, "b": None}, {"a": 2.0, "b": None}])
def test_few_networks_or_unknown_errors_give_no_correlation(errors):
    benchmarks = {name: benchmark([0.9, 0.7, 0.5], seed=seed) for seed, name in enumerate(errors)}
    found = figures_by_error(benchmarks, errors)["auc"]
    assert all(one["spearman"] is None for one in found.values())
    assert all(len(one["error"]) == sum(error is not None for error in errors.values()) for one in found.values())


def test_the_sentences_name_networks_methods_and_agreement():
    benchmarks = {"a": benchmark([0.9, 0.7, 0.5]), "b": benchmark([0.8, 0.6, 0.3], seed=1)}
    maps = {
        "steep": {"correlation": {"mean": 0.8}, "icc": {"median": 0.5}},
        "flat": {"correlation": {"mean": 0.9}, "icc": {"median": None}},
        "odd": {"correlation": {"mean": None}, "icc": {"median": None}},
    }
    told = verdict_on_networks(benchmarks, {"a": 4.0, "b": 5.5}, compare_rankings(benchmarks), maps)
    assert told[0] == "2 networks, mean absolute error 4 to 5.5 years, and 12 subjects, the same for all."
    assert "Kendall's W = 1" in told[1] and told[1].endswith("with each of 2 networks: steep.")
    assert told[2].endswith("flat 0.9 and steep 0.8.") and told[3].endswith("steep 0.5.")


def test_networks_without_a_common_winner_are_told():
    benchmarks = {"a": benchmark([0.9, 0.7, 0.5]), "b": benchmark([0.5, 0.7, 0.9])}
    told = verdict_on_networks(benchmarks, {"a": None, "b": None}, compare_rankings(benchmarks), {})
    assert told[0].startswith("2 networks, and 12 subjects") and len(told) == 2
    assert told[1].endswith("No method is among the best with each of 2 networks.")
