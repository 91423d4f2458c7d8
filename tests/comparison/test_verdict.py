"""What the sentences say, and what they leave unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from interpbench.comparison.summary import summarise
from interpbench.comparison.table import table_of
from interpbench.comparison.wording import label

Made = Callable[..., dict[str, Any]]
Told = Callable[..., str]
SIX = ("likeness", "likeness_by_chance", "likeness_of_two_fits")


def measure(name: str, metric: str, direction: str | None = "higher", unit: str = "", **other: Any) -> dict[str, Any]:
    return {"name": name, "metric": metric, "unit": unit, "direction": direction, "help": f"Help of {name}."} | other


POINTING: dict[str, Any] = {
    "family": "localisation",
    "question": "pointing at the ground truth",
    "limits": "A truth about the images is none about the network.",
    "leads": 1,
}
AUC = [measure("auc", "localisation", chance=0.5, **POINTING)]


def test_it_names_the_best_with_interval_and_n_and_the_nearest_that_is_worse_with_effect_and_p(
    method: Made, told: Told
) -> None:
    text = told({"auc": {"a": 0.9, "b": 0.7, "c": 0.6}}, AUC, [method(name) for name in "abc"])
    start = "auc (pointing at the ground truth; higher is better, chance 0.5): a has the best mean, 0.9 ("
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    assert "95 % interval 0.8" in line
    assert "n = 40)" in line
    assert "2 others are worse, the nearest of them b -0.2 (-0.22" in line
    assert "(Holm-corrected p < 0.001, rank-biserial effect 1, n = 40)" in line
    assert "Not distinguished from it" not in line


def test_what_is_not_told_apart_is_named_with_its_difference_and_never_called_equal(method: Made, told: Told) -> None:
    text = told({"auc": {"a": 0.9, "b": 0.899, "c": 0.6}}, AUC, [method(name) for name in "abc"])
    assert "Not distinguished from it, with mean difference and 95 % interval: " in text
    assert "Methods that are not distinguished need not be equal." in text
    assert "found with a power of 80 %" in text
    assert "equally" not in text


def test_the_difference_that_would_have_been_found_shrinks_with_the_subjects(method: Made, told: Told) -> None:
    def reach(count: int) -> float:
        text = told({"auc": {"a": 0.9, "b": 0.899}}, AUC, [method("a"), method("b")], count)
        return float(text.split("with a power of 80 %: auc ")[1].split(" (n =")[0])

    assert reach(160) == pytest.approx(reach(40) / 2, rel=0.2)
    assert reach(40) == pytest.approx((1.96 + 0.84) * 0.05 * np.sqrt(2 / 40), rel=0.25)


TRAINED = "Masks of noise ({learned} learned) are trained for this."


def test_where_lower_is_better_the_lowest_leads(method: Made, told: Told) -> None:
    text = told(
        {"noise_tolerance": {"a": 2.0, "b": 3.0}},
        [measure("noise_tolerance", "noise_tolerance", "lower", "{unit}", limits=TRAINED)],
        [method("a", learned=True), method("b")],
    )
    assert "lower is better): a has the best mean, 2 years (" in text
    assert "1 other is worse: b 1 years (0.9" in text
    assert "Masks of noise (a learned) are trained for this." in text


def test_a_limit_of_learned_methods_is_told_only_where_one_takes_part(method: Made, told: Told) -> None:
    measures = [measure("noise_tolerance", "noise_tolerance", "lower", limits=TRAINED)]
    assert "Masks of noise" not in told({"noise_tolerance": {"a": 2.0, "b": 3.0}}, measures, [method("a"), method("b")])


def test_a_method_below_a_floor_gets_no_belief(method: Made, floor: Made, told: Told) -> None:
    text = told(
        {"auc": {"good": 0.9, "poor": 0.6, "random": 0.5, "sobel": 0.7}},
        AUC,
        [method("good"), method("poor"), floor("random"), floor("sobel")],
    )
    assert "auc: better than every floor (random and sobel): good. Not shown to be better: poor (than sobel);" in text
    assert "no reason to prefer its maps to a map that does not use the network" in text
    assert "poor: not shown to be better than all floors on any of the leading measures." in text
    assert "This benchmark gives no reason to believe its maps." in text


def test_a_floor_that_leads_is_called_a_floor(method: Made, floor: Made, told: Told) -> None:
    text = told({"auc": {"a": 0.6, "sobel": 0.9}}, AUC, [method("a"), floor("sobel")])
    assert "sobel, a floor, has the best mean" in text
    assert "better than every floor (sobel): no method." in text


def test_a_method_no_better_than_the_template_says_nothing_of_the_person(method: Made, floor: Made, told: Told) -> None:
    methods = [method("a"), floor("random"), floor("template") | {"template": True}]
    text = told({"auc": {"a": 0.8, "random": 0.5, "template": 0.9}}, AUC, methods)
    assert "auc: better than every floor (random): a." in text
    assert "auc: not shown to be better than the template, one map for all subjects: a." in text


def test_a_lead_that_smoothing_takes_away_is_said_to_be_smoothness(method: Made, blurred: Made, told: Told) -> None:
    methods = [method("lead"), method("rough"), method("wrong"), blurred("rough"), blurred("wrong")]
    levels = {"lead": 0.9, "rough": 0.7, "wrong": 0.6, "rough+blur": 0.9, "wrong+blur": 0.6}
    text = told({"auc": levels}, AUC, methods)
    assert "auc: smoothing alone makes the maps of rough better." in text
    assert "lead is not shown to be better than the smoothed maps of rough" in text


def test_a_lead_over_smoothed_copies_is_said_to_stay(method: Made, blurred: Made, told: Told) -> None:
    methods = [method("lead"), method("rough"), blurred("rough")]
    text = told({"auc": {"lead": 0.9, "rough": 0.7, "rough+blur": 0.75}}, AUC, methods)
    assert "lead is also better than the smoothed maps of rough." in text


def test_a_smoothed_copy_that_leads_is_named_and_so_is_the_best_map_as_it_is(
    method: Made, blurred: Made, told: Told
) -> None:
    methods = [method("a"), method("b"), blurred("a"), blurred("b")]
    text = told({"auc": {"a": 0.6, "b": 0.7, "a+blur": 0.9, "b+blur": 0.7}}, AUC, methods)
    assert "The best mean is that of a smoothed copy, better than its original." in text
    assert "Among unsmoothed maps, b has the best mean" in text


def test_too_few_subjects_tell_nothing_apart_and_the_sentences_stop_there(
    method: Made, floor: Made, told: Told
) -> None:
    text = told({"auc": {"a": 0.9, "b": 0.5, "random": 0.4}}, AUC, [method("a"), method("b"), floor("random")], count=5)
    assert "With so few subjects no two of 3 methods can be distinguished." in text
    assert "better than every floor" not in text
    assert "no reason to believe" not in text


DELETION = [
    measure(
        f"srg_{name}",
        "deletion",
        family="faithfulness",
        question="deletion, voxel by voxel",
        leads=place,
        variant=name,
        varied="stands in for hidden voxels",
    )
    for name, place in (("zero", 3), ("mean", 1), ("road", 2))
]


def test_of_a_metric_that_says_who_leads_one_measure_does_and_the_winner_over_its_variants_is_named(
    method: Made, told: Told
) -> None:
    levels = {one["name"]: {"a": 0.9, "b": 0.7} for one in DELETION}
    text = told(levels, DELETION, [method("a"), method("b")])
    assert text.count("has the best mean") == 1
    assert "srg mean (deletion, voxel by voxel; higher is better): a has the best mean" in text
    assert "Whatever stands in for hidden voxels (zero, mean and road), best or not distinguished" in text
    assert (
        "Best or not distinguished from the best, of 3 measures with a direction (cost and sanity apart): a on 3."
        in text
    )


def test_a_winner_that_depends_on_the_imputer_is_no_winner(method: Made, told: Told) -> None:
    levels = {"srg_zero": {"a": 0.9, "b": 0.7}, "srg_road": {"a": 0.7, "b": 0.9}}
    text = told(levels, DELETION, [method("a"), method("b")])
    assert (
        "The best method in deletion depends on what stands in for hidden voxels: a with zero and b with road." in text
    )


def test_agreement_is_put_in_words_with_its_opposites(method: Made, told: Told) -> None:
    names = list("abcdefgh")
    up = {name: at / 10 for at, name in enumerate(names)}
    down = {name: -value for name, value in up.items()}
    measures = [measure(f"m{at}", "theirs") for at in range(4)]
    same = told({f"m{at}": up for at in range(4)}, measures, [method(name) for name in names], noise=0.01)
    assert "agree largely: Kendall's W = 1, where 1 is full agreement (p < 0.001)." in same
    split = told({"m0": up, "m1": up, "m2": down, "m3": down}, measures, [method(name) for name in names], noise=0.01)
    assert "agree no more than by chance" in split
    assert "rank them in nearly opposite order (tau -1)" in split


SANITY = [
    measure(
        SIX[0],
        "weights",
        "lower",
        family="randomisation",
        leads=1,
        question="rank correlation",
        chance_by=SIX[1],
        ceiling_by=SIX[2],
    ),
    *(measure(name, "weights", None, family="randomisation") for name in SIX[1:]),
]


@pytest.fixture
def sane(told: Told) -> Told:
    return lambda levels, *methods: told(levels, SANITY, list(methods), count=6, noise=0.02)


def test_sanity_is_judged_against_chance_and_learned_methods_only_after_a_second_fit(
    method: Made, floor: Made, sane: Told
) -> None:
    names = {"reads": -0.1, "partly": 0.3, "edges": 0.8, "learned": 0.25}
    text = sane(
        {SIX[0]: names, SIX[1]: dict.fromkeys(names, 0.0), SIX[2]: {"learned": 0.9}},
        *(method(name, learned=name == "learned") for name in names),
        method("unfitted", learned=True),
        floor("random"),
    )
    passed, partly, failed, untested = [line for line in text.splitlines() if line.startswith("Sanity")]
    assert passed.startswith("Sanity check passed") and "reads -0.1" in passed
    assert partly.startswith("Sanity check passed in part") and "partly 0.3" in partly
    assert "fitted again; two fits to the intact network 0.9" in partly
    assert failed.startswith("Sanity check failed") and "edges 0.8 (0.7" in failed
    assert untested.startswith("Sanity check not done: unfitted.")


def test_cost_says_from_when_on_learning_pays(method: Made, told: Told) -> None:
    text = told(
        {"seconds": {"learned": 1.0, "slow": 11.0, "quick": 0.1}},
        [measure("seconds", "cost", "lower", "s", family="cost", leads=1)],
        [method("learned", learned=True, training_seconds=100.0), method("slow"), method("quick")],
        noise=0.0,
    )
    assert "Cost (mean times of n = 40): learned costs no more than slow from 10 subjects on" in text
    assert "learned takes no less time per subject than quick, so for many subjects it saves none." in text


def test_limits_are_told_for_the_measures_that_are_there_only(method: Made, told: Told) -> None:
    text = told({"auc": {"a": 0.9, "b": 0.7}}, AUC, [method("a"), method("b")])
    assert text.count("A truth about the images is none about the network.") == 1
    both = told(
        {"auc": {"a": 0.9, "b": 0.7}}, [*AUC, measure("other", "o", limits="More.")], [method("a"), method("b")]
    )
    assert both == text
    assert "They do not show what ages a brain" in text


def test_a_method_alone_has_a_figure_and_no_rival(method: Made, told: Told) -> None:
    text = told({"auc": {"a": 0.9}}, AUC, [method("a")])
    assert "a has 0.9 (95 % interval 0.8" in text
    assert "there is nothing to compare it with" in text


def test_without_any_value_nothing_is_said(method: Made, told: Told) -> None:
    assert told({}, AUC, [method("a")]) == "No measure has a value, so there is no conclusion."


@pytest.mark.parametrize("seed", range(40))
def test_no_table_however_full_of_holes_breaks_the_summary(seed: int, method: Made, floor: Made, blurred: Made) -> None:
    drawn = np.random.default_rng(seed)
    methods = [
        method("a", learned=True),
        method("b"),
        blurred("a"),
        blurred("b"),
        floor("random"),
        floor("template") | {"template": True},
        method("lost", note="no map"),
    ]
    measures = [
        *AUC,
        *DELETION,
        measure("noise_tolerance", "noise_tolerance", "lower", limits=TRAINED),
        measure("mine", "theirs"),
        *SANITY,
        measure("seconds", "cost", "lower", family="cost", leads=1),
        measure("curve", "theirs", None, steps=[0, 1], steps_name="steps"),
    ]
    holes, levels = drawn.random(), drawn.integers(1, 6)
    rows = [
        {"participant_id": f"sub-{at}", "method": one["name"], "measure": of["name"], "value": value}
        for at in range(drawn.integers(0, 9))
        for one in methods
        for of in measures
        for value in [float(drawn.integers(0, levels)) if drawn.random() > holes else None]
    ]
    curves = [row | {"step": step} for row in rows if row["measure"] == "curve" for step in (0, 1)]
    numbers = [row for row in rows if row["measure"] != "curve"]
    found = summarise(table_of(numbers), measures, methods, curves, unit="years", seed=seed, resamples=49)
    json.dumps(found, allow_nan=False)
    assert all(sentence and "nan" not in sentence.split() for sentence in found["verdict"] + found["warnings"])
    assert "lost: no map" in found["warnings"]


def test_a_measure_is_told_by_what_it_asks_or_by_its_help() -> None:
    assert label(DELETION[2]) == "srg road (deletion, voxel by voxel; higher is better)"
    assert label(measure("mine", "theirs", "lower")) == "mine (Help of mine; lower is better)"
    assert label({"name": "bare", "direction": "lower"}) == "bare (lower is better)"
