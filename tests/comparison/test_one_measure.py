"""One measure over all methods: a small table whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from interpbench.comparison.one_measure import compare, powerless, standing
from interpbench.comparison.table import Scores, table_of

SUBJECTS = np.arange(8) / 4  # mean 0.875; quarters and eighths are exact
GOLDEN = {
    "good": SUBJECTS + 4,
    "bad": SUBJECTS + 1,
    "twin": SUBJECTS + 4 + np.tile([0.125, -0.125], 4),
}


def scores_of(columns: dict[str, np.ndarray]) -> Scores:
    rows = [
        {"participant_id": f"sub-{at:02d}", "method": name, "measure": "auc", "value": value}
        for name, values in columns.items()
        for at, value in enumerate(values)
    ]
    return table_of(rows, list(columns)).scores("auc")


def pair_of(result: dict, one: str, other: str) -> dict:
    (found,) = [pair for pair in result["pairs"] if (pair["a"], pair["b"]) == (one, other)]
    return found


def test_the_golden_tables_means_and_ranks_are_those_by_hand() -> None:
    result = compare(scores_of(GOLDEN), "higher")
    assert {name: one["mean"] for name, one in result["methods"].items()} == {
        "good": 4.875,
        "bad": 1.875,
        "twin": 4.875,
    }
    assert {name: one["mean_rank"] for name, one in result["methods"].items()} == {"good": 1.5, "bad": 3, "twin": 1.5}
    assert result["methods"]["good"]["median"] == 4.875
    assert result["methods"]["good"]["sd"] == pytest.approx(math.sqrt(42 / 7) / 4)
    assert all(one["n"] == 8 for one in result["methods"].values())


def test_the_golden_tables_tests_are_those_by_hand() -> None:
    result = compare(scores_of(GOLDEN), "higher")
    assert result["friedman"] == {
        "statistic": pytest.approx(12),
        "df": 2,
        "p": pytest.approx(math.exp(-6)),
        "n": 8,
        "k": 3,
    }
    worse = pair_of(result, "good", "bad")
    assert (worse["difference"], worse["p"], worse["p_holm"], worse["effect"]) == (3, 2 / 256, 6 / 256, 1)
    assert pair_of(result, "bad", "twin")["effect"] == -1
    level = pair_of(result, "good", "twin")
    assert (level["difference"], level["p"], level["p_holm"], level["effect"], level["n"]) == (0, 1, 1, 0, 8)
    low, high = level["difference_interval"]
    assert -0.125 < low < 0 < high < 0.125


def test_the_golden_tables_best_and_groups_are_those_by_hand() -> None:
    result = compare(scores_of(GOLDEN), "higher")
    assert result["best"] == ["good", "twin"]
    assert result["groups"] == [["good", "twin"]]


def test_where_lower_is_better_the_mirrored_table_gives_the_mirrored_answer() -> None:
    first = compare(scores_of(GOLDEN), "higher")
    second = compare(scores_of({name: -values for name, values in GOLDEN.items()}), "lower")
    assert (first["best"], first["groups"], first["friedman"]) == (second["best"], second["groups"], second["friedman"])
    for one, other in zip(first["pairs"], second["pairs"], strict=True):
        assert (one["p_holm"], one["effect"], one["difference"]) == (
            other["p_holm"],
            -other["effect"],
            -other["difference"],
        )


def test_a_measure_without_a_direction_is_shown_and_never_ranked_by() -> None:
    result = compare(scores_of(GOLDEN), None)
    assert result["methods"]["bad"]["mean"] == 1.875
    assert result["methods"]["bad"]["mean_rank"] is None
    assert (result["pairs"], result["best"], result["groups"], result["friedman"]) == ([], [], [], None)


def test_two_methods_are_compared_on_the_subjects_that_both_have_and_ranked_on_those_of_all() -> None:
    gap = GOLDEN["bad"].copy()
    gap[[0, 1]] = np.nan
    result = compare(scores_of(GOLDEN | {"bad": gap}), "higher")
    assert [pair["n"] for pair in result["pairs"]] == [6, 8, 6]
    assert pair_of(result, "good", "bad")["difference"] == 3
    assert result["friedman"]["n"] == 6
    assert (result["n"], result["methods"]["bad"]["n"]) == (8, 6)


def test_a_method_that_lacks_most_subjects_is_neither_ranked_nor_best() -> None:
    lucky = np.full(8, np.nan)
    lucky[:3] = 99.0
    result = compare(scores_of(GOLDEN | {"lucky": lucky}), "higher")
    assert result["methods"]["lucky"]["mean_rank"] is None
    assert result["friedman"]["n"] == 8
    assert "lucky" not in result["best"]
    assert pair_of(result, "good", "lucky")["n"] == 3


def test_methods_that_share_no_subject_are_not_compared() -> None:
    first, second = GOLDEN["good"].copy(), GOLDEN["bad"].copy()
    first[:4], second[4:] = np.nan, np.nan
    result = compare(scores_of({"first": first, "second": second}), "higher")
    assert result["pairs"] == []
    assert result["groups"] == []


def test_a_mean_led_by_one_subject_leaves_the_steadier_method_among_the_best() -> None:
    steady = np.arange(12) / 4
    lucky = steady - 1
    lucky[5] += 1000
    result = compare(scores_of({"lucky": lucky, "steady": steady}), "higher")
    assert result["pairs"][0]["p_holm"] < 0.05
    assert standing(result["pairs"], "higher", "steady", "lucky") == "better"
    assert result["best"] == ["lucky", "steady"]


def test_standing_reads_a_pair_from_both_sides_and_in_both_directions() -> None:
    pairs = compare(scores_of(GOLDEN), "higher")["pairs"]
    assert standing(pairs, "higher", "good", "bad") == "better"
    assert standing(pairs, "higher", "bad", "good") == "worse"
    assert standing(pairs, "lower", "good", "bad") == "worse"
    assert standing(pairs, "lower", "bad", "good") == "better"
    assert standing(pairs, "higher", "twin", "good") == "open"
    assert standing(pairs, "higher", "good", "good") is None
    assert standing(pairs, "higher", "good", "unheard") is None


def test_few_subjects_cannot_tell_many_methods_apart_and_that_is_known() -> None:
    few = scores_of({name: values[:5] for name, values in GOLDEN.items()})
    result = compare(few, "higher")
    assert powerless(result)
    assert sorted(result["best"]) == sorted(GOLDEN)
    assert not powerless(compare(scores_of(GOLDEN), "higher"))


@pytest.mark.parametrize("columns", [{}, {"alone": np.array([1.0])}, {"alone": np.array([1.0, 2.0, 4.0])}])
def test_nothing_or_one_method_makes_no_pairs(columns: dict[str, np.ndarray]) -> None:
    result = compare(scores_of(columns), "higher")
    assert (result["pairs"], result["groups"]) == ([], [])
    assert result["best"] == list(columns)
