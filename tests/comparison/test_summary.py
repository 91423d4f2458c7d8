"""A benchmark's table in figures: everything is there, once, and the same however it comes."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import numpy as np
import pytest

from interpbench.comparison.statistics import interval
from interpbench.comparison.summary import summarise, summary_rows
from interpbench.comparison.table import table_of

STEPS = [0.0, 0.1, 0.3]
METHODS = ["learned", "saliency", "gradcam", "random"]


def method(name: str, **other: Any) -> dict[str, Any]:
    base = {"name": name, "method": name, "kind": "method", "blurred": False, "learned": False, "training_seconds": 0.0}
    return base | {"note": ""} | other


def measure(name: str, metric: str, direction: str | None = "higher", **other: Any) -> dict[str, Any]:
    base = {"name": name, "metric": metric, "unit": "", "direction": direction, "help": f"{name} in words"}
    return base | {"chance": None, "steps": [], "steps_name": ""} | other


def rows_of(count: int = 24, seed: int = 0) -> list[dict[str, Any]]:
    """Measures under which learned > saliency > gradcam > random, but for noise; by `seconds` learned is quickest."""
    drawn = np.random.default_rng(seed)
    level = {
        "auc": [0.9, 0.8, 0.7, 0.5],
        "srg_mean": [3.0, 2.0, 1.0, 0.0],
        "gini": [0.5] * 4,
        "seconds": [1, 3, 2, 0.1],
    }
    rows = []
    for name, means in level.items():
        people = drawn.normal(0, 0.05, count)
        for who, mean in zip(METHODS, means, strict=True):
            values = mean + people + drawn.normal(0, 0.02, count)
            rows += [
                {
                    "participant_id": f"sub-{at:02d}",
                    "method": who,
                    "measure": name,
                    "value": float(values[at]),
                    "note": "",
                }
                for at in range(count)
            ]
    return rows


def curves_of(count: int = 24) -> list[dict[str, Any]]:
    return [
        {
            "participant_id": f"sub-{at:02d}",
            "method": who,
            "measure": "morf_mean",
            "step": step,
            "value": step * (at + 1),
        }
        for at in range(count)
        for who in METHODS[:2]
        for step in STEPS
    ]


MEASURES = [
    measure("auc", "localisation", chance=0.5),
    measure("srg_mean", "deletion", unit="{unit}"),
    measure("gini", "complexity", None),
    measure("seconds", "cost", "lower", unit="s", family="cost", leads=1),
    measure("morf_mean", "deletion", None, unit="{unit}", steps=STEPS, steps_name="voxels removed (%)"),
]
ENTERED = [
    method("learned", learned=True, training_seconds=100.0),
    method("saliency"),
    method("gradcam"),
    method("random", kind="floor"),
]


def summed(rows: list[dict[str, Any]], curves: list[dict[str, Any]] | None = None, **other: Any) -> dict[str, Any]:
    return summarise(table_of(rows, METHODS), MEASURES, ENTERED, curves or [], unit="years", resamples=999, **other)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return summed(rows_of(), curves_of())


def test_what_benchmark_json_promises_is_there(found: dict[str, Any]) -> None:
    assert set(found) == {
        "unit",
        "n",
        "subjects",
        "seed",
        "methods",
        "measures",
        "results",
        "curves",
        "agreement",
        "break_even",
        "beliefs",
        "verdict",
        "verdict_families",
        "warnings",
    }
    assert len(found["verdict"]) == len(found["verdict_families"])
    assert (found["unit"], found["n"], found["seed"], len(found["subjects"])) == ("years", 24, 0, 24)
    assert set(found["results"]) == {"auc", "srg_mean", "gini", "seconds"}
    assert set(found["results"]["auc"]) == {"n", "methods", "friedman", "pairs", "best", "groups", "left_out"}
    assert set(found["results"]["auc"]["methods"]["learned"]) == {"mean", "sd", "median", "interval", "n", "mean_rank"}
    assert set(found["results"]["auc"]["pairs"][0]) == {
        "a",
        "b",
        "n",
        "difference",
        "difference_interval",
        "p",
        "p_holm",
        "effect",
    }
    assert len(found["results"]["auc"]["pairs"]) == 6


def test_it_is_json_without_a_nan(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_figures_do_not_depend_on_the_order_of_the_rows(found: dict[str, Any]) -> None:
    drawn = random.Random(1)
    rows, curves = rows_of(), curves_of()
    drawn.shuffle(rows)
    drawn.shuffle(curves)
    assert summed(rows, curves) == found


def test_another_seed_draws_other_subjects(found: dict[str, Any]) -> None:
    other = summed(rows_of(), seed=1)
    first, second = (one["results"]["auc"]["methods"]["learned"] for one in (found, other))
    assert first["mean"] == second["mean"]
    assert first["interval"] != second["interval"]
    assert first["interval"] == pytest.approx(second["interval"], abs=0.01)


def test_the_unit_of_the_predictor_stands_in_its_place(found: dict[str, Any]) -> None:
    assert [one["unit"] for one in found["measures"]] == ["", "years", "", "s", "years"]


def test_curves_have_means_and_intervals_at_each_step(found: dict[str, Any]) -> None:
    curve = found["curves"]["morf_mean"]["saliency"]
    assert curve["n"] == 24
    assert curve["mean"] == pytest.approx([step * 12.5 for step in STEPS])
    assert curve["interval"][0] == [0, 0]  # all agree
    assert curve["interval"][2] == pytest.approx(interval([0.3 * (at + 1) for at in range(24)], resamples=999))
    assert list(found["curves"]["morf_mean"]) == METHODS[:2]


def test_a_step_that_nobody_has_is_a_gap_and_the_others_stay() -> None:
    curves = [row | ({"value": "n/a"} if row["step"] == 0.1 else {}) for row in curves_of()]
    curve = summed(rows_of(), curves)["curves"]["morf_mean"]["learned"]
    assert curve["mean"][1] is None
    assert curve["interval"][1] is None
    assert curve["mean"][2] == pytest.approx(0.3 * 12.5)


def test_cost_is_no_quality_and_floors_are_not_ranked_in_agreement(found: dict[str, Any]) -> None:
    assert found["agreement"]["measures"] == ["auc", "srg_mean"]
    assert found["agreement"]["methods"] == METHODS[:3]
    assert found["agreement"]["kendall_w"] == pytest.approx(1)


def test_break_even_is_made_from_the_measured_seconds(found: dict[str, Any]) -> None:
    rows = {row["other"]: row for row in found["break_even"]}
    assert set(rows) == {"saliency", "gradcam"}
    saved = rows["saliency"]["seconds_other"] - rows["saliency"]["seconds_learned"]
    assert rows["saliency"]["subjects"] == int(np.ceil(100 / saved))


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_without_the_time_that_a_method_learned_there_is_no_break_even(unknown: float | None) -> None:
    entered = [one | {"training_seconds": unknown} for one in ENTERED]
    found = summarise(table_of(rows_of(), METHODS), MEASURES, entered, unit="years", resamples=99)
    assert found["break_even"] == []


def test_without_a_measure_that_leads_the_cost_there_is_no_break_even() -> None:
    measures = [one | {"leads": 0} for one in MEASURES]
    found = summarise(table_of(rows_of(), METHODS), measures, ENTERED, unit="years", resamples=99)
    assert found["break_even"] == []


def test_the_summary_has_one_row_a_measure_and_method(found: dict[str, Any]) -> None:
    rows = summary_rows(found)
    assert len(rows) == 4 * 4
    assert list(rows[0]) == [
        "measure",
        "unit",
        "direction",
        "method",
        "n",
        "mean",
        "low",
        "high",
        "median",
        "sd",
        "mean_rank",
        "best",
    ]
    first = rows[0]
    assert (first["measure"], first["method"], first["best"], first["mean_rank"]) == ("auc", "learned", "yes", 1)
    assert [first["low"], first["high"]] == found["results"]["auc"]["methods"]["learned"]["interval"]
    assert {row["best"] for row in rows if row["measure"] == "gini"} == {None}
    assert [row["best"] for row in rows if row["measure"] == "seconds"] == ["no", "no", "no", "yes"]


def test_what_a_method_has_no_value_for_is_left_out_with_the_reason() -> None:
    rows = [
        row
        | ({"value": None, "note": "needs a layer"} if row["method"] == "gradcam" and row["measure"] == "auc" else {})
        for row in rows_of()
    ]
    result = summed(rows)["results"]["auc"]
    assert "gradcam" not in result["methods"]
    assert result["left_out"] == {"gradcam": "needs a layer"}


def test_gaps_small_numbers_and_methods_without_maps_are_warned_of() -> None:
    rows = [row for row in rows_of(12) if not (row["method"] == "saliency" and row["participant_id"] < "sub-07")]
    rows = [row for row in rows if not (row["measure"] == "srg_mean" and row["participant_id"] > "sub-03")]
    entered = [*ENTERED, method("deeplift", note="not applicable to this architecture")]
    warnings = "\n".join(summarise(table_of(rows, METHODS), MEASURES, entered, unit="years", resamples=99)["warnings"])
    assert "Only 12 subjects: intervals of fewer than 20 are too narrow." in warnings
    assert "deeplift: not applicable to this architecture" in warnings
    assert "saliency has no value for some subjects: auc (5 of 12), gini (5 of 12) and seconds (5 of 12)." in warnings
    assert "saliency lacks more than half of the subjects and is not ranked: auc" in warnings
    assert "srg mean: with 4 subjects the signed-rank test gives no p below 0.125; for 3 comparisons" in warnings
    assert "On 4 of 12 subjects only: srg mean." in warnings


def test_measures_without_values_and_without_differences_are_warned_of() -> None:
    rows = [row | ({"value": 1.0} if row["measure"] == "gini" else {}) for row in rows_of() if row["measure"] != "auc"]
    warnings = summed(rows)["warnings"]
    assert "No method has a value for auc." in warnings
    assert "All methods have the same value for gini." in warnings


def test_why_no_method_has_a_value_is_said_where_most_have_one_reason() -> None:
    empty = {"value": None, "note": "everybody is alike"}
    rows = [row | (empty if row["measure"] == "auc" else {}) for row in rows_of()]
    assert "No method has a value for auc (everybody is alike)." in summed(rows)["warnings"]


def test_where_all_is_well_nothing_is_warned_of(found: dict[str, Any]) -> None:
    assert found["warnings"] == []


@pytest.mark.slow
def test_a_benchmark_of_full_size_takes_less_than_a_minute() -> None:
    drawn, names = np.random.default_rng(0), [f"method{at}" for at in range(33)]
    measures = [measure(f"measure{at}", f"metric{at}") for at in range(40)]
    rows = [
        {"participant_id": f"sub-{who:02d}", "method": name, "measure": one["name"], "value": value, "note": ""}
        for one in measures
        for name, values in zip(names, np.round(drawn.normal(size=(33, 75)), 2).tolist(), strict=True)
        for who, value in enumerate(values)
    ]
    start = time.perf_counter()
    found = summarise(table_of(rows), measures, [method(name) for name in names], unit="years")
    assert time.perf_counter() - start < 60
    assert sum(len(one["pairs"]) for one in found["results"].values()) == 40 * 528
