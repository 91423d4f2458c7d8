"""Whatever a benchmark lacks, its page is made and says so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(*names: str) -> Change:
    return lambda found: {name: value for name, value in found.items() if name not in names}


def one_subject(found: dict[str, Any]) -> dict[str, Any]:
    found = found | {"n": 1, "subjects": ["sub-1"], "agreement": None, "break_even": []}
    for one in found["results"].values():
        one |= {"n": 1, "friedman": None}
        for figures in one["methods"].values():
            figures |= {"interval": None, "sd": None, "n": 1}
    for curve in found["curves"].values():
        for figures in curve.values():
            figures["interval"] = [None] * len(figures["interval"])
    return found


def one_method(found: dict[str, Any]) -> dict[str, Any]:
    found["methods"] = [one for one in found["methods"] if one["name"] == "unoise"]
    for one in found["results"].values():
        one["methods"] = {"unoise": one["methods"]["unoise"]}
        one |= {"pairs": [], "groups": [], "best": one["best"][:1]}
    return found


def with_nan(found: dict[str, Any]) -> dict[str, Any]:
    for one in found["results"].values():
        one["methods"]["saliency"] |= {"mean": math.nan, "interval": [math.nan, 1.0], "median": None, "mean_rank": None}
    found["curves"]["morf_mean"]["saliency"]["mean"] = [None, math.nan, 1.0]
    found["results"]["auc"]["pairs"] = []
    return found


def not_applicable(found: dict[str, Any]) -> dict[str, Any]:
    found["methods"][1]["note"] = "NotApplicable: no ReLU"
    for one in (*found["results"].values(), *({"methods": curve} for curve in found["curves"].values())):
        del one["methods"]["saliency"]
        for key in ("best", "groups"):
            one[key] = [
                [name for name in group if name != "saliency"] if isinstance(group, list) else group
                for group in one.get(key, [])
                if group != "saliency"
            ]
        one["pairs"] = [pair for pair in one.get("pairs", []) if "saliency" not in (pair["a"], pair["b"])]
    return found


def nothing_measured(found: dict[str, Any]) -> dict[str, Any]:
    found = found | {"curves": {}, "agreement": None, "break_even": [], "beliefs": [], "verdict": [], "warnings": []}
    found["results"] = {
        name: {"n": 0, "methods": {}, "friedman": None, "pairs": [], "best": [], "groups": []}
        for name in found["results"]
    }
    return found


def nothing_at_all(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"methods": [], "measures": [], "results": {}, "curves": {}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_subject, ["too few subjects to distinguish any two methods"]),
        (one_method, ["0.800"]),
        (with_nan, ["saliency"]),
        (not_applicable, ["NotApplicable: no ReLU", "Without a value: saliency"]),
        (nothing_measured, ["No measure with a direction has a value.", "No verdict.", "No cost was measured."]),
        (
            without("agreement", "break_even", "beliefs", "verdict", "warnings", "settings", "predictor", "curves"),
            ["No verdict."],
        ),
        (nothing_at_all, ["No measure has a value."]),
    ],
    ids=[f"found{number}-words{number}" for number in range(7)],
)
def test_whatever_is_missing_there_is_a_page(
    tmp_path: Path, change: Change, words: list[str], summary: Any, page: Any, parsed: Any
) -> None:
    text = parsed(page(tmp_path, change(summary()))).words
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text.lower())
    for word in words:
        assert word.lower() in text.lower()
