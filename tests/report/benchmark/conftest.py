"""A benchmark's summary as `benchmark.json` has it, its page, and what a reader finds there."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from interpbench.report.benchmark.page import write_benchmark_page

NAMES = ("unoise", "saliency", "unoise+blur", "random")
STEPS = [0.0, 10.0, 50.0]
MEASURES: list[tuple[str, str, str, str | None, float | None, dict[str, Any]]] = [
    ("auc", "localisation", "", "higher", 0.5, {"family": "localisation", "leads": 1}),
    ("srg_mean", "deletion", "{unit}", "higher", 0.0, {"family": "faithfulness", "leads": 1, "column": True}),
    ("beauty", "third_party", "stars", "lower", None, {}),
    ("gini", "complexity", "", None, None, {"family": "complexity"}),
    ("seconds", "cost", "s", "lower", None, {"family": "cost", "leads": 1, "column": True}),
]


def method(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "method": name.removesuffix("+blur"),
        "kind": "floor" if name == "random" else "method",
        "blurred": name.endswith("+blur"),
        "signed": False,
        "learned": name.startswith("unoise"),
        "options": {"seed": 0},
        "training_seconds": 60.0,
        "note": "",
    }


def result(direction: str | None, shift: float = 0.0) -> dict[str, Any]:
    """Three subjects, four methods, the first the best."""
    sign = -1 if direction == "lower" else 1
    means = {name: 0.8 + shift - sign * 0.1 * index for index, name in enumerate(NAMES)}
    return {
        "n": 3,
        "methods": {
            name: {
                "mean": mean,
                "sd": 0.1,
                "median": mean,
                "interval": [mean - 0.05, mean + 0.05],
                "n": 3,
                "mean_rank": index + 1.0 if direction else None,
            }
            for index, (name, mean) in enumerate(means.items())
        },
        "friedman": {"statistic": 9.0, "df": 3, "p": 0.029, "n": 3, "k": 4} if direction else None,
        "pairs": [
            {
                "a": a,
                "b": b,
                "n": 3,
                "difference": means[a] - means[b],
                "difference_interval": None,
                "p": 0.25,
                "p_holm": 1.0,
                "effect": 1.0,
            }
            for index, a in enumerate(NAMES)
            for b in NAMES[index + 1 :]
        ]
        if direction
        else [],
        "best": list(NAMES) if direction else [],
        "groups": [list(NAMES)] if direction else [],
    }


def summary() -> dict[str, Any]:
    measures = [
        {
            "name": name,
            "metric": metric,
            "unit": unit,
            "direction": direction,
            "help": f"What {name} asks.",
            "chance": chance,
            "steps": [],
            "steps_name": "",
            **declared,
        }
        for name, metric, unit, direction, chance, declared in MEASURES
    ]
    curves = {}
    for name in ("morf_mean", "lerf_mean"):
        measures.append(
            {
                "name": name,
                "metric": "deletion",
                "unit": "years",
                "direction": None,
                "help": "Hide.",
                "chance": None,
                "steps": STEPS,
                "steps_name": "hidden (%)",
                "axis": "mean",
            }
        )
        curves[name] = {one: {"mean": [0.0, 1.0, 2.0], "interval": [[0, 0], [0.5, 1.5], None], "n": 3} for one in NAMES}
    return {
        "unit": "years",
        "n": 3,
        "subjects": ["sub-1", "sub-2", "sub-3"],
        "seed": 7,
        "predictor": {"name": "resnet18", "test": {"n": 75, "mae": 2.5, "mae_interval": [2.1, 3.0]}},
        "settings": {"blur": 1.0, "repeats": 2},
        "methods": [method(name) for name in NAMES],
        "measures": measures,
        "results": {name: result(direction) for name, _, _, direction, _, _ in MEASURES},
        "curves": curves,
        "agreement": {
            "kendall_w": 0.75,
            "p": 0.01,
            "measures": ["auc", "srg_mean"],
            "methods": list(NAMES),
            "tau": {"auc": {"auc": 1.0, "srg_mean": -0.33}, "srg_mean": {"auc": -0.33, "srg_mean": 1.0}},
        },
        "break_even": [
            {
                "learned": "unoise",
                "other": "saliency",
                "training_seconds": 60.0,
                "seconds_learned": 0.1,
                "seconds_other": 2.1,
                "subjects": 30,
            },
            {
                "learned": "unoise",
                "other": "gradcam",
                "training_seconds": 60.0,
                "seconds_learned": 0.1,
                "seconds_other": 0.01,
                "subjects": None,
            },
        ],
        "beliefs": [
            {
                "family": "localisation",
                "sentence": "Where: believe the map of unoise.",
                "notes": ["Smoothness alone can win points here."],
                "maps": ["unoise"],
                "measure": "auc",
            }
        ],
        "verdict": ["auc: unoise has the best mean.", "Methods that are not distinguished need not be equal."],
        "warnings": ["Three subjects are few."],
    }


def page(folder: Path, found: dict[str, Any] | None = None, **changes: Any) -> str:
    write_benchmark_page(folder / "index.html", summary() if found is None else found, **changes)
    return (folder / "index.html").read_text(encoding="utf-8")


class Document(HTMLParser):
    """Tags, addresses, text, and the text by the id of its section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.sections: dict[str, str] = {}
        self.words, self.section = "", ""
        self.feed(text.replace("<wbr>", ""))  # where a name may be broken

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "data", "srcset")]
        if tag == "section":
            self.section = dict(attributes)["id"] or ""

    def handle_data(self, data: str) -> None:
        self.words += data
        self.sections[self.section] = self.sections.get(self.section, "") + " " + " ".join(data.split())


@pytest.fixture(name="method", scope="session")
def give_method() -> Callable[..., dict[str, Any]]:
    return method


@pytest.fixture(name="result", scope="session")
def give_result() -> Callable[..., dict[str, Any]]:
    return result


@pytest.fixture(name="summary", scope="session")
def give_summary() -> Callable[..., dict[str, Any]]:
    return summary


@pytest.fixture(name="page", scope="session")
def give_page() -> Callable[..., str]:
    return page


@pytest.fixture(scope="session")
def parsed() -> type[Document]:
    """Called with a page's text, it holds the tags, the words, and the words of each section."""
    return Document
