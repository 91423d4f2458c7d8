"""The figures of a classifier: each against a second computation, its interval against what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from interpbench.comparison.statistics import auc
from interpbench.predictor.accuracy import Z, auc_interval, class_figures, describe_classes, mean_of_shares, wilson


def rows(
    true: list[str | None], logits: list[float], target: str = "child", other: str = "adult"
) -> list[dict[str, Any]]:
    """As `predict_subjects` gives them, of two classes."""
    return [
        {"true_class": name, "predicted_class": target if logit > 0 else other, "target_class": target, "logit": logit}
        for name, logit in zip(true, logits, strict=True)
    ]


TRUE = ["child"] * 9 + ["adult"] * 4
LOGITS = [2.0, 0.5, -0.3, 1.1, 4.0, 0.2, 3.0, -1.0, 0.7, -2.0, 0.4, -0.1, -1.0]


def test_the_figures_are_scikit_learns() -> None:
    found = class_figures(rows(TRUE, LOGITS), ("adult", "child"), "child")
    guesses = ["child" if logit > 0 else "adult" for logit in LOGITS]
    assert found is not None
    assert found["accuracy"] == pytest.approx(accuracy_score(TRUE, guesses))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(TRUE, guesses))
    assert found["auc"] == pytest.approx(roc_auc_score([name == "child" for name in TRUE], LOGITS))
    assert (found["n"], found["counts"]) == (13, {"adult": 4, "child": 9})


def test_the_other_class_as_target_changes_no_figure() -> None:
    first = class_figures(rows(TRUE, LOGITS), ("adult", "child"), None)
    second = class_figures(rows(TRUE, [-one for one in LOGITS], "adult", "child"), ("adult", "child"), None)
    assert first is not None and second is not None
    for name, value in first.items():
        assert second[name] == (value if value is None or name == "counts" else pytest.approx(value))


def test_the_majority_class_is_the_training_splits_and_judged_on_these_subjects() -> None:
    found = class_figures(rows(TRUE, LOGITS), ("adult", "child"), "adult")
    assert found is not None
    assert found["majority_accuracy"] == pytest.approx(4 / 13)
    assert found["majority_interval"] == wilson(4, 13)
    unknown = class_figures(rows(TRUE, LOGITS), ("adult", "child"), None)
    assert unknown is not None and unknown["majority_accuracy"] is None


def test_who_has_no_class_or_a_strange_one_is_not_counted() -> None:
    some = rows([*TRUE, None, "teenager"], [*LOGITS, 1.0, 1.0])
    assert class_figures(some, ("adult", "child"), None) == class_figures(some[:13], ("adult", "child"), None)
    assert class_figures(some[13:], ("adult", "child"), None) is None


def test_where_one_class_is_absent_there_is_no_auc_and_only_its_recall() -> None:
    found = class_figures(rows(TRUE[:9], LOGITS[:9]), ("adult", "child"), None)
    assert found is not None
    assert found["auc"] is None and found["auc_interval"] is None
    assert found["balanced_accuracy"] == found["accuracy"] == pytest.approx(7 / 9)


def test_of_three_classes_there_is_an_accuracy_and_no_auc() -> None:
    some = [
        {"true_class": true, "predicted_class": guess, "target_class": "c", "logit": 0.0}
        for true, guess in zip("aaabbc", "aabbbc", strict=True)
    ]
    found = class_figures(some, ("a", "b", "c"), "a")
    assert found is not None
    assert (found["auc"], found["accuracy"]) == (None, 5 / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 1) / 3)


@pytest.mark.parametrize(("hits", "number"), [(0, 5), (18, 23), (23, 23), (1, 1), (400, 1000)])
def test_the_interval_of_a_share_is_scipys_wilson(hits: int, number: int) -> None:
    theirs = binomtest(hits, number).proportion_ci(method="wilson")
    assert wilson(hits, number) == pytest.approx([theirs.low, theirs.high], abs=1e-12)


def test_the_mean_of_one_share_has_that_shares_interval() -> None:
    assert mean_of_shares([(18, 23)]) == pytest.approx(wilson(18, 23))


def test_nobody_misclassified_is_no_certainty() -> None:
    found = class_figures(rows(["child"] * 18 + ["adult"] * 5, [1.0] * 18 + [-1.0] * 5), ("adult", "child"), "child")
    assert found is not None
    for name, low in (("accuracy", 0.857), ("balanced_accuracy", 0.766), ("auc", 0.756)):
        assert found[name] == 1.0
        assert found[f"{name}_interval"] == pytest.approx([low, 1.0], abs=1e-3)


@pytest.mark.parametrize(("value", "positive", "negative"), [(0.9, 18, 5), (0.5, 40, 30), (0.08, 6, 9)])
def test_both_ends_of_an_aucs_interval_solve_its_equation(value: float, positive: int, negative: int) -> None:
    k = (positive + negative) / 2 - 1
    for theta in auc_interval(value, positive, negative):
        variance = theta * (1 - theta) * (1 + k * (1 - theta) / (2 - theta) + k * theta / (1 + theta))
        assert abs(value - theta) == pytest.approx(Z * np.sqrt(variance / positive / negative), rel=1e-6)


def test_an_aucs_interval_mirrors_with_the_auc() -> None:
    low, high = auc_interval(0.83, 12, 12)
    assert auc_interval(1 - 0.83, 12, 12) == pytest.approx([1 - high, 1 - low])


def test_ties_count_half_in_an_auc() -> None:
    assert auc([1.0, 2.0, 1.0, 0.0], [1, 1, 0, 0]) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert auc([3.0, 3.0, 3.0], [1, 1, 0]) == 0.5


def test_the_intervals_hold_the_truth_about_as_often_as_they_promise() -> None:
    random, times = np.random.default_rng(0), 2000
    truth = float(norm.cdf(1.0 / np.sqrt(2)))
    held = {"auc": 0, "balanced": 0}
    for _ in range(times):
        logits = np.concatenate([random.normal(1, 1, 18), random.normal(0, 1, 8)])
        low, high = auc_interval(auc(logits, [1] * 18 + [0] * 8), 18, 8)
        held["auc"] += low <= truth <= high
        low, high = mean_of_shares([(int(random.binomial(18, 0.95)), 18), (int(random.binomial(8, 0.8)), 8)])
        held["balanced"] += low <= (0.95 + 0.8) / 2 <= high
    assert all(0.93 <= count / times <= 0.98 for count in held.values()), held


def test_a_line_for_the_reader_has_every_figure_with_interval_and_n() -> None:
    found = class_figures(rows(TRUE, LOGITS), ("adult", "child"), "child")
    assert found is not None
    line = describe_classes(found)
    assert line.count("95 % interval") == 4
    assert "n = 13 (adult 4, child 9); always predicting 'child': accuracy 0.692" in line
    assert "AUC" not in describe_classes({**found, "auc": None})
