"""The page of a benchmark holds all that benchmark.json says, escaped, in one file that fetches and runs nothing."""

from __future__ import annotations

import copy
import math
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from interpbench.errors import InputError, UsageError
from interpbench.report.benchmark.page import write_benchmark_page

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
EVIL = '"><script>alert(1)</script>'
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


@pytest.mark.slow
def test_the_verdict_comes_first_then_warnings_then_what_was_measured(tmp_path: Path) -> None:
    document = Document(page(tmp_path))
    assert [name for name in document.sections if name][:4] == ["verdict", "warnings", "about", "table"]
    assert "unoise has the best mean." in document.sections["verdict"]
    assert "Three subjects are few." in document.sections["warnings"]
    assert "n = 3: 2 methods, 1 blurred copy and 1 floor, by 5 measures and 2 curves" in document.sections["about"]
    for word in ("mean absolute error, test split", "2.50", "2.10 to 3.00", "75"):
        assert word in document.sections["about"]


@pytest.mark.slow
def test_the_table_has_every_method_with_interval_unit_direction_and_kind_in_words(tmp_path: Path) -> None:
    table = Document(page(tmp_path)).sections["table"]
    kinds = ("best mean", "blurred copy", "floor: does not use the network", "learned")
    told = ("0.800", "0.750 to 0.850", "years", "stars", "chance 0.5", "n = 3", "too few subjects")
    better = ("\N{UPWARDS ARROW} higher", "\N{DOWNWARDS ARROW} lower", "higher is better")
    for word in (*NAMES, *kinds, *told, *better):
        assert word in table
    assert "gini" not in table and "Sorted by mean rank over auc, srg_mean, beauty" in table


@pytest.mark.slow
def test_methods_can_be_sorted_by_one_measure(tmp_path: Path) -> None:
    found = summary()
    found["results"]["seconds"] = result("lower")
    found["results"]["seconds"]["methods"]["random"]["mean"] = 0.001
    first = re.search(
        r"<tbody>\s*<tr[^>]*><td>([^<]*)", page(tmp_path, found, sort_by="seconds").split('id="table"')[1]
    )
    assert first is not None and first[1] == "random"
    with pytest.raises(UsageError, match="Did you mean 'seconds'"):
        page(tmp_path, sort_by="second")


@pytest.mark.slow
def test_columns_and_plots_are_those_that_are_asked_for(tmp_path: Path) -> None:
    text = page(tmp_path, headline=["gini", "beauty"])
    assert text.count('class="dots"') == 2 and text.count('class="ranks"') == 1  # gini has no ranks
    assert page(tmp_path).count('class="dots"') == 4


@pytest.mark.slow
def test_every_measure_has_its_full_table(tmp_path: Path) -> None:
    text = page(tmp_path)
    section = text.split('id="measures"')[1].split("</section>")[0]
    assert section.count("<details>") == 5
    assert "chi-square(3) = 9.00, p = 0.029" in section and "Differences are from unoise" in section
    assert "What gini asks" in section and section.count("Differences are from") == 4


@pytest.mark.slow
def test_agreement_cost_and_break_even_are_told(tmp_path: Path) -> None:
    sections = Document(page(tmp_path)).sections
    for word in ("0.750", "-0.33", "1.00"):
        assert word in sections["agreement"]
    for word in ("seconds", "30", "never: it is not faster", "60.00"):
        assert word in sections["cost"]
    assert "unoise+blur" not in sections["cost"]


@pytest.mark.slow
def test_curves_leave_out_blurred_copies_and_say_so(tmp_path: Path) -> None:
    curves = Document(page(tmp_path)).sections["curves"]
    assert "Not drawn: 1 blurred copy" in curves and "Grey: floors" in curves


@pytest.mark.slow
def test_pale_curves_are_named(tmp_path: Path) -> None:
    found = summary()
    many = [f"method{index}" for index in range(12)]
    found["methods"] += [method(name) for name in many]
    for curve in found["curves"].values():
        curve.update(dict.fromkeys(many, curve["saliency"]))
    curves = Document(page(tmp_path, found)).sections["curves"]
    pale = curves.split("Pale lines: ")[1].split(".")[0].split(", ")
    assert len(pale) == 12 + 2 - 7 and set(pale) < {*many, "saliency"}


@pytest.mark.slow
def test_methods_with_a_colour_are_those_that_are_asked_for(tmp_path: Path) -> None:
    curves = Document(page(tmp_path, coloured=["random", "saliency", "saliency"])).sections["curves"]
    assert "Pale lines: unoise." in curves and "95 % intervals of random, saliency;" in curves
    for found in (summary(), without("curves")):
        with pytest.raises(UsageError, match=r"^Unknown method 'salience' .* Did you mean 'saliency'"):
            page(tmp_path, found, coloured=["salience"])
    with pytest.raises(UsageError, match=r"^Unknown method 'nobody' in this benchmark.$"):
        page(tmp_path, coloured=["nobody"])


@pytest.mark.slow
def test_a_long_name_may_be_broken_after_its_joints_only(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "<td>unoise+<wbr>blur<small>" in text and "<b>srg_<wbr>mean</b>" in text
    assert "<td>saliency" in text and "<b>auc</b>" in text


@pytest.mark.slow
def test_what_to_type_versions_and_settings_are_at_the_end(tmp_path: Path) -> None:
    words = Document(page(tmp_path, commands=["interpbench benchmark X"], versions={"torch": "2.13.0"})).words
    for word in ("interpbench benchmark X", "torch", "2.13.0", "repeats", "predictor: name", "resnet18"):
        assert word in words.split("Reproduce")[-1]


def replaced(value: Any, names: dict[str, str]) -> Any:
    """The same with names changed wherever they stand."""
    if isinstance(value, dict):
        return {replaced(key, names): replaced(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


@pytest.mark.slow
def test_hostile_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    names = (*NAMES, "auc", "beauty", "morf_mean", "third_party", "stars", "years", "deletion")
    hostile = {name: rf"{EVIL}$\frac{index}" for index, name in enumerate(names)}
    document = Document(page(tmp_path, replaced(summary(), hostile)))
    values = [value or "" for _, value in document.attributes]
    assert "script" not in document.tags
    for name in hostile.values():
        assert name in document.words or any(name in value for value in values)
    assert not [key for key, _ in document.attributes if key.startswith("on")]


@pytest.mark.slow
def test_whatever_else_looks_like_markup_is_text(tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(PIXEL)
    found = summary()
    found |= {"verdict": [EVIL, f"{EVIL}: {EVIL}"], "warnings": [EVIL], "settings": {EVIL: EVIL}}
    found["methods"][1] |= {"note": EVIL, "options": {EVIL: EVIL}}
    found["measures"][0]["help"] = found["measures"][-1]["steps_name"] = EVIL
    given: dict[str, Any] = {"title": EVIL, "commands": [EVIL], "versions": {EVIL: EVIL}}
    document = Document(page(tmp_path, found, pictures=[(EVIL, tmp_path / "map.png")], **given))
    assert "script" not in document.tags and document.words.count(EVIL) >= 12


def test_nothing_is_fetched_or_run(tmp_path: Path) -> None:
    text = page(tmp_path)
    document = Document(text)
    assert [address for address in document.addresses if not address.startswith(("data:", "#"))] == []
    assert "default-src 'none'" in text and "script" not in text and "http" not in text.replace("http-equiv", "")
    ids = {value for key, value in document.attributes if key == "id"}
    assert {address[1:] for address in document.addresses if address.startswith("#")} <= ids


@pytest.mark.slow
def test_the_pictures_bytes_are_in_the_page_and_a_missing_one_leaves_no_page(tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(PIXEL)
    text = page(tmp_path, pictures=[("Maps of sub-1", tmp_path / "map.png")])
    images = [b64decode(one.partition(",")[2]) for one in Document(text).addresses if one.startswith("data:image")]
    assert PIXEL in images and "Maps of sub-1" in text and "percentile ranks of |map|" in text
    (tmp_path / "index.html").unlink()
    with pytest.raises(InputError, match=r"gone\.png"):
        page(tmp_path, pictures=[("gone", tmp_path / "gone.png")])
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
def test_the_same_benchmark_gives_the_same_page_and_is_not_changed(tmp_path: Path) -> None:
    found = summary()
    before = copy.deepcopy(found)
    assert page(tmp_path, found) == page(tmp_path, found) and found == before


def without(*names: str) -> dict[str, Any]:
    found = summary()
    for name in names:
        del found[name]
    return found


def one_subject() -> dict[str, Any]:
    found = summary() | {"n": 1, "subjects": ["sub-1"], "agreement": None, "break_even": []}
    for one in found["results"].values():
        one |= {"n": 1, "friedman": None}
        for figures in one["methods"].values():
            figures |= {"interval": None, "sd": None, "n": 1}
    for curve in found["curves"].values():
        for figures in curve.values():
            figures["interval"] = [None] * len(STEPS)
    return found


def one_method() -> dict[str, Any]:
    found = summary()
    found["methods"] = [method("unoise")]
    for one in found["results"].values():
        one["methods"] = {"unoise": one["methods"]["unoise"]}
        one |= {"pairs": [], "groups": [], "best": one["best"][:1]}
    return found


def with_nan() -> dict[str, Any]:
    found = summary()
    for one in found["results"].values():
        one["methods"]["saliency"] |= {"mean": math.nan, "interval": [math.nan, 1.0], "median": None, "mean_rank": None}
    found["curves"]["morf_mean"]["saliency"]["mean"] = [None, math.nan, 1.0]
    found["results"]["auc"]["pairs"] = []
    return found


def not_applicable() -> dict[str, Any]:
    found = summary()
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


def nothing_measured() -> dict[str, Any]:
    found = summary() | {"curves": {}, "agreement": None, "break_even": [], "verdict": [], "warnings": []}
    found["results"] = {
        name: {"n": 0, "methods": {}, "friedman": None, "pairs": [], "best": [], "groups": []}
        for name in found["results"]
    }
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("found", "words"),
    [
        (one_subject(), ["too few subjects to distinguish any two methods"]),
        (one_method(), ["0.800"]),
        (with_nan(), ["saliency"]),
        (not_applicable(), ["NotApplicable: no ReLU", "Without a value: saliency"]),
        (nothing_measured(), ["No measure with a direction has a value.", "No verdict.", "No cost was measured."]),
        (without("agreement", "break_even", "verdict", "warnings", "settings", "predictor", "curves"), ["No verdict."]),
        (summary() | {"methods": [], "measures": [], "results": {}, "curves": {}}, ["No measure has a value."]),
    ],
)
def test_whatever_is_missing_there_is_a_page(tmp_path: Path, found: dict[str, Any], words: list[str]) -> None:
    text = Document(page(tmp_path, found)).words
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text.lower())
    for word in words:
        assert word.lower() in text.lower()
